"""Ranks, fitted cuts and their file: against ranks counted by hand, shares asked for, and types that were planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.runs.errors import UserError
from training.longtext.fit import Shares, fit_labels, fit_shares
from training.longtext.metrics import METRICS
from training.longtext.published import DOCUMENTS, total
from training.longtext.ranks import Levels, Quantiles
from training.longtext.thresholds import Thresholds
from training.longtext.types import TYPES


def planted(count: int = 60, *, model: bool = True, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Scores that follow the published rule: a third of each type, in two domains."""
    generator = np.random.default_rng(seed)
    kind = np.arange(3 * count) % 3
    level = np.array([3.0, 2.0, 0.0])[kind]
    rows = {name: level + generator.normal(scale=0.2, size=len(kind)) for name in METRICS}
    extreme = np.where(kind == 2, generator.choice([-5, 5], len(kind)), 0)
    for name in ("complexity_ttr", "complexity_para"):
        rows[name] = extreme + generator.normal(scale=0.2, size=len(kind))
    frame = pd.DataFrame(rows).assign(language="en", domain=np.where(np.arange(len(kind)) % 2, "web", "books"))
    if not model:
        frame[[name for name in METRICS if METRICS[name].needs in ("language model", "sentence encoder")]] = np.nan
    return frame, pd.Series([TYPES[one] for one in kind])


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(-1, 7))
def test_ranks_are_mid_ranks_of_the_reference(known: list[int], value: int) -> None:
    scale = Quantiles.of(np.array(known, float), points=len(known))
    ordered, last = sorted(known), len(known) - 1
    below, same = sum(one < value for one in known), known.count(value)
    if same:
        middle = (below + below + same - 1) / 2 / last
        assert scale.rank(np.array([value], float)) == pytest.approx([middle])
    elif value < ordered[0] or value > ordered[-1]:
        assert scale.rank(np.array([value], float)).tolist() == [float(value > ordered[0])]
    else:
        assert (below - 1) / last <= scale.rank(np.array([value], float))[0] <= below / last


def test_ranks_rise_and_missing_stays_missing() -> None:
    scale = Quantiles.of(np.r_[np.zeros(50), np.linspace(0, 1, 50)])
    ranks = scale.rank(np.array([0.0, 1e-9, 0.2, 0.9, np.nan]))
    assert np.all(np.diff(ranks[:4]) > 0) and np.isnan(ranks[4])
    assert Levels(1, 2).rank(np.array([0.5, 1, 2, np.nan])).tolist()[:3] == [0, 0.5, 1]


@pytest.mark.parametrize("shares", [Shares(0.7, 0.2, 0.1), Shares(1, 0, 0), Shares(*total("en").shares)])
def test_types_have_the_shares_that_were_asked_for(shares: Shares) -> None:
    scores, _ = planted(200)
    references = fit_shares(scores, {"en": shares})
    assert [one.domain for one in references] == ["all", "books", "web"]
    for reference in references:
        basis = "coherence+cohesion+complexity"
        assert reference.fitted["reached"][basis] == pytest.approx(vars(shares), abs=0.01)
    found = Thresholds(references[:1]).type(scores)["type"].value_counts(normalize=True).reindex(TYPES).fillna(0)
    assert found.to_dict() == pytest.approx(references[0].fitted["reached"][basis])


@pytest.mark.parametrize("model", [True, False])
def test_planted_types_are_found_again_on_other_documents(model: bool) -> None:
    references = fit_labels(*planted(model=model))
    assert {one.domain for one in references} == {"all", "web", "books"}
    assert set(references[0].cuts) == {"cohesion+complexity"} | ({"coherence+cohesion+complexity"} if model else set())
    scores, labels = planted(model=model, seed=1)
    found = Thresholds(references).type(scores)
    assert (found["type"] == labels).mean() > 0.95
    assert set(found["type_basis"]) == {"coherence+cohesion+complexity" if model else "cohesion+complexity"}
    assert set(found["reference"]) == {"en/web", "en/books"}


def test_a_diff_without_a_scale_makes_nothing_chaotic() -> None:
    """Types whose basis has no coherence do not depend on it."""
    thresholds = Thresholds(fit_labels(*planted(model=False)))
    scores, _ = planted(model=False, seed=1)
    found = thresholds.type(scores.assign(coherence_diff=-1.0))
    pd.testing.assert_frame_equal(found, thresholds.type(scores))
    assert set(found["type_basis"]) == {"cohesion+complexity"}


def test_what_is_scored_together_changes_nothing() -> None:
    thresholds = Thresholds(fit_labels(*planted()))
    scores, _ = planted(seed=2)
    whole = thresholds.type(scores)
    pd.testing.assert_frame_equal(thresholds.type(scores.iloc[[5]]), whole.iloc[[5]])


def test_the_file_gives_the_same_types(tmp_path: Path) -> None:
    thresholds = Thresholds(fit_labels(*planted()), {"model": "m", "windows": "cpu"})
    thresholds.write(tmp_path / "thresholds.json")
    scores, _ = planted(seed=3)
    again = Thresholds.read(tmp_path / "thresholds.json")
    assert again.scorer == thresholds.scorer
    assert (again.type(scores)["type"] == thresholds.type(scores)["type"]).all()


def test_raw_thresholds_agree_where_the_types_are_clear() -> None:
    reference = fit_labels(*planted())[0]
    scores, labels = planted(seed=4)
    found = Thresholds((reference.raw(),)).type(scores)
    assert all(isinstance(one, Levels) for one in reference.raw().scales.values())
    assert (found["type"] == labels).mean() > 0.8


def test_refuses() -> None:
    scores, labels = planted()
    with pytest.raises(UserError, match="sum to 1"):
        Shares(0.5, 0.1, 0.1)
    with pytest.raises(UserError, match="no shares were given for language 'en'"):
        fit_shares(scores, {"zh": Shares(1, 0, 0)})
    with pytest.raises(UserError, match="5 documents of language 'en'"):
        fit_labels(scores[:5], labels[:5])
    with pytest.raises(UserError, match="label 'odd' is no type"):
        fit_labels(scores, labels.replace("chaotic", "odd"))
    with pytest.raises(UserError, match="is labelled chaotic"):
        fit_labels(scores, labels.replace("chaotic", "holistic"))
    with pytest.raises(UserError, match="no reference for zh/books; they have en/all, en/books"):
        Thresholds(fit_labels(scores, labels)).reference("zh", "books")


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"version": 9}', '{"version": 1, "scorer": {}, "about": {}, "references": [{}]}']
)
def test_refuses_what_holds_no_thresholds(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UserError, match=r"holds no thresholds|version 9; accepted is 1"):
        Thresholds.read(tmp_path / "t.json")


NAMED = {"language": "en", "domain": "all", "documents": 20, "fitted": {}}


@pytest.mark.parametrize(
    "scales, cuts, said",
    [
        ({}, {"cohesion": {"low": "0.2", "high": 0.5, "extreme": 0.4}}, "TypeError"),
        ({}, {"cohesion": {"low": 0.6, "high": 0.5, "extreme": 0.4}}, "do not rise"),
        ({}, {"cohesion": {"low": 0.2, "high": float("nan"), "extreme": 0.4}}, "do not rise"),
        ({}, {"length": {"low": 0.2, "high": 0.5, "extreme": 0.4}}, "there is no basis length"),
        ({}, {}, "has no cuts"),
        ({"length": {"low": 1, "high": 2}}, {}, "there is no metric length"),
        ({"cohesion_conn": {"low": float("nan"), "high": 2}}, {}, "levels do not rise"),
        ({"cohesion_conn": {"low": 3, "high": 2}}, {}, "levels do not rise"),
    ],
)
def test_refuses_cuts_and_scales_that_are_none(
    scales: dict[str, Any], cuts: dict[str, Any], said: str, tmp_path: Path
) -> None:
    row = NAMED | {"scales": scales, "cuts": cuts}
    (tmp_path / "t.json").write_text(json.dumps({"version": 1, "scorer": {}, "about": {}, "references": [row]}))
    with pytest.raises(UserError, match=f"holds no thresholds.*{said}"):
        Thresholds.read(tmp_path / "t.json")


def test_a_share_below_one_document_is_named() -> None:
    scores, _ = planted(20)
    asked = Shares(0.895, 0.1, 0.005)
    whole = fit_shares(scores, {"en": asked})[0]
    assert whole.fitted["below_one_document"] == ["chaotic"]
    assert whole.fitted["reached"]["coherence+cohesion+complexity"]["chaotic"] == 0
    assert fit_shares(planted(40)[0], {"en": asked})[0].fitted["below_one_document"] == []


def test_a_language_without_a_reference_gets_no_type() -> None:
    scores, labels = planted()
    thresholds = Thresholds(fit_labels(scores, labels))
    mixed = scores.assign(language=np.where(np.arange(len(scores)) % 5 == 0, "zh", "en"))
    found = thresholds.type(mixed)
    assert (found["type"].isna() == (mixed["language"] == "zh")).all()
    pd.testing.assert_frame_equal(found[mixed["language"] == "en"], thresholds.type(scores)[mixed["language"] == "en"])


def test_the_published_table_adds_up() -> None:
    english, chinese = total("en"), total("zh")
    assert (*english,) == (7_135_977, 825_177, 42_477) and (*chinese,) == (98_152, 18_034, 6_087)
    assert [round(100 * share, 1) for share in english.shares] == [89.2, 10.3, 0.5]
    assert DOCUMENTS["en"]["GitHub"].chaotic == DOCUMENTS["zh"]["TextBook"].chaotic == 0
