"""Strategies and budgets as users give them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from interp.runs.errors import UserError
from training.sampling.strategies import CLIP, KINDS, Budget, Strategy

SIZES = np.array([5, 1, 0, 3])


def test_defaults_and_names() -> None:
    assert Strategy.named("clusterclip").clip == CLIP
    assert [Strategy.named(kind).clip for kind in KINDS if kind != "clusterclip"] == [math.inf] * 5
    assert Strategy.named("general-to-specific") == Strategy.named("general_to_specific")
    assert [Strategy.named(kind, clip=2).clip for kind in ("random", "uniform", "temperature")] == [math.inf, math.inf, 2]


def test_only_what_can_be_exhausted_goes_on() -> None:
    named = {kind: Strategy.named(kind, order="round_robin", on_exhausted="random") for kind in KINDS}
    assert [kind for kind, one in named.items() if one.on_exhausted == "random"] == ["clusterclip"]
    assert Strategy.named("temperature", clip=2, on_exhausted="random").on_exhausted == "random"
    assert named["clusterclip"].phases == [named["clusterclip"], named["random"]]
    assert Strategy.named("clusterclip").phases == [Strategy.named("clusterclip")]


@pytest.mark.parametrize(
    "given, said",
    [
        ({"kind": "clip"}, "unknown strategy 'clip'"),
        ({"kind": "clusterclip", "clip": 0.0}, "clip 0.0"),
        ({"kind": "clusterclip", "clip": math.nan}, "clip nan"),
        ({"kind": "temperature", "alpha": math.inf}, "alpha inf"),
        ({"kind": "uniform", "order": "sorted"}, "unknown order 'sorted'"),
        ({"kind": "clusterclip", "on_exhausted": "end"}, "unknown on_exhausted 'end'; accepted are stop, random"),
    ],
)
def test_refuses(given: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Strategy.named(**given)  # type: ignore[arg-type]


def test_weights_are_powers_of_the_sizes_and_never_of_empty_clusters() -> None:
    assert Strategy.named("uniform").weights(SIZES).tolist() == [1, 1, 0, 1]
    assert Strategy.named("random").weights(SIZES) == pytest.approx([1, 0.2, 0, 0.6])
    assert Strategy.named("temperature", alpha=-1).weights(SIZES) == pytest.approx([0.2, 1, 0, 1 / 3])


def test_curricula_move_in_opposite_directions_from_random_to_uniform() -> None:
    down, up = Strategy.named("general_to_specific"), Strategy.named("specific_to_general")
    exponents = [down.exponent(stair) for stair in range(down.stairs)]
    assert exponents == pytest.approx([up.exponent(stair) for stair in reversed(range(up.stairs))])
    assert exponents[0] == pytest.approx(1, abs=0.01) and np.all(np.diff(exponents) < 0) and np.mean(exponents) == 0.5


@pytest.mark.parametrize("draws, tokens", [(None, None), (1, 1), (0, None), (None, -3)])
def test_a_budget_is_one_positive_number(draws: int | None, tokens: int | None) -> None:
    with pytest.raises(UserError, match="accepted is either"):
        Budget.of(draws, tokens)
