"""The rule of the types against the rule written plainly, its margin against a search, and missing dimensions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.longtext.types import COHERENCE, COHESION, COMPLEXITY, RULES, TYPES, Cuts, Dimensions, assign, dimensions

CUTS = Cuts(low=0.3, high=0.6, extreme=0.4)
UNIT = st.floats(0, 1)


def plainly(coh: float, csn: float, cpx: float, negative_diff: bool, cuts: Cuts) -> str:
    if (coh < cuts.low and csn < cuts.low and cpx > cuts.extreme) or (negative_diff and csn < cuts.low):
        return "chaotic"
    return "aggregated" if coh < cuts.high or csn < cuts.high else "holistic"


def one(coh: float, csn: float, cpx: float, negative_diff: bool = False) -> Dimensions:
    return Dimensions(np.array([coh]), np.array([csn]), np.array([cpx]), np.array([negative_diff]))


@settings(deadline=None, max_examples=300)
@given(UNIT, UNIT, st.floats(0, 0.5), st.booleans(), UNIT, UNIT, st.floats(0, 0.5))
def test_the_rule_as_it_is_stated(
    coh: float, csn: float, cpx: float, negative_diff: bool, first: float, second: float, extreme: float
) -> None:
    cuts = Cuts(min(first, second), max(first, second), extreme)
    found = assign(one(coh, csn, cpx, negative_diff), cuts)
    assert found.type == [plainly(coh, csn, cpx, negative_diff, cuts)]
    assert found.basis == ["coherence+cohesion+complexity"] and found.rule[0] in RULES


@pytest.mark.parametrize("negative_diff", [False, True])
def test_the_margin_is_the_way_to_the_nearest_text_of_another_type(negative_diff: bool) -> None:
    step = 0.025
    axis, short = np.arange(0, 1 + 1e-9, step), np.arange(0, 0.5 + 1e-9, step)
    grid = np.array(np.meshgrid(axis, axis, short, indexing="ij")).reshape(3, -1)
    found = assign(Dimensions(*grid, np.full(grid.shape[1], negative_diff)), CUTS)
    types = np.array(found.type)
    for number in np.random.default_rng(0).choice(grid.shape[1], 200, replace=False):
        away = np.abs(grid - grid[:, [number]]).max(0)[types != types[number]].min()
        assert found.margin[number] == pytest.approx(away, abs=step + 1e-9)


def test_rules_name_what_decided() -> None:
    cases = {
        "all low": one(0.1, 0.1, 0.5),
        "context misleads": one(0.9, 0.1, 0.0, negative_diff=True),
        "coherence not high": one(0.1, 0.9, 0.5),
        "cohesion not high": one(0.9, 0.1, 0.5),
        "neither high": one(0.1, 0.1, 0.1),
        "high": one(0.9, 0.9, 0.5),
    }
    assert {rule: assign(found, CUTS).rule[0] for rule, found in cases.items()} == {rule: rule for rule in RULES}


def test_a_missing_dimension_neither_makes_nor_breaks_a_rule() -> None:
    nan = np.nan
    assert assign(one(nan, 0.1, 0.5), CUTS).type == ["chaotic"] and assign(one(nan, 0.9, 0.5), CUTS).type == ["holistic"]
    assert assign(one(nan, 0.1, 0.1), CUTS).type == ["aggregated"] and assign(one(0.9, nan, nan), CUTS).type == ["holistic"]
    assert assign(one(nan, 0.9, nan), CUTS).basis == ["cohesion"]
    nothing = assign(one(nan, nan, 0.5), CUTS)
    assert nothing.type == nothing.basis == nothing.rule == [None]
    assert assign(one(nan, 0.5, 0.1), CUTS).margin == pytest.approx([0.1])


def test_dimensions_weigh_as_stated() -> None:
    columns = [*COHERENCE, *COHESION, *COMPLEXITY]
    ranks = pd.DataFrame(
        [[0.2, 0.4, 0.9, 0.3, 0.6, 0.9, 0.05, 0.7], [np.nan] * 4 + [0.6, 0.8, np.nan, 0.7]], columns=columns
    )
    found = dimensions(ranks, np.array([0.1, np.nan]))
    assert found.coh[0] == pytest.approx((0.2 + 0.4) / 4 + 0.9 / 2) and np.isnan(found.coh[1])
    assert found.csn == pytest.approx([0.6, 0.7]) and found.cpx == pytest.approx([0.45, 0.2])
    assert found.negative_diff.tolist() == [False, False] and dimensions(
        ranks, np.array([-0.1, 0])
    ).negative_diff.tolist() == [
        True,
        False,
    ]


def test_without_coherence_the_discourse_model_does_not_count() -> None:
    """Cuts of texts without coherence are fitted to what needs no model."""
    ranks = pd.DataFrame([[0.5, 0.9, 0.1, 0.2], [np.nan, 0.9, 0.1, 0.2]])
    ranks.columns = ["coherence_diff", *COHESION]
    assert dimensions(ranks, np.array([0.1, np.nan])).csn == pytest.approx([0.4, 0.15])


def test_types_are_in_the_order_of_the_paper() -> None:
    assert TYPES == ("holistic", "aggregated", "chaotic")
