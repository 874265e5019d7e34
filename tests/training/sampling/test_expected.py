"""Closed forms against the worked example, identities, bisection and integration in small steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.runs.errors import UserError
from training.sampling.expected import expected, fill_times, trajectory, water_level
from training.sampling.strategies import KINDS, Budget, Strategy

EXAMPLE = np.array([5, 1, 3])
SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=12).filter(any).map(np.array)
CLIPS = st.sampled_from([0.5, 1.0, 2.0, 3.5, 20.0])


def test_the_worked_example() -> None:
    found = expected(EXAMPLE, Strategy.named("clusterclip", clip=2), Budget(12))
    assert found.counts == pytest.approx([5, 2, 5]) and found.clip_times == pytest.approx([18, 6, 14])
    assert found.clipped == [1] and found.level == pytest.approx(5)


def test_random_and_uniform() -> None:
    assert expected(EXAMPLE, Strategy.named("random"), Budget(18)).counts == pytest.approx([10, 2, 6])
    assert expected(EXAMPLE, Strategy.named("uniform"), Budget(18)).counts == pytest.approx([6, 6, 6])


@settings(deadline=None)
@given(SIZES, CLIPS, st.integers(1, 2000), st.floats(-1, 2))
def test_temperature_is_water_filling_of_powers(sizes: np.ndarray, clip: float, draws: int, alpha: float) -> None:
    found = expected(sizes, Strategy.named("temperature", clip=clip, alpha=alpha), Budget(draws))
    assert found.draws == pytest.approx(min(draws, np.floor(clip * sizes).sum()))
    if math.isfinite(found.level):
        powers = np.where(sizes > 0, np.maximum(sizes, 1.0) ** alpha, 0)
        assert found.counts == pytest.approx(np.minimum(np.floor(clip * sizes), found.level * powers))


@settings(deadline=None)
@given(SIZES, st.integers(1, 30))
def test_an_endless_clip_is_uniform_and_a_clip_of_the_epochs_is_random(sizes: np.ndarray, epochs: int) -> None:
    draws = int(epochs * sizes.sum())
    loose = expected(sizes, Strategy.named("clusterclip", clip=1e9), Budget(draws)).counts
    assert loose == pytest.approx(expected(sizes, Strategy.named("uniform"), Budget(draws)).counts)
    tight = expected(sizes, Strategy.named("clusterclip", clip=epochs), Budget(draws)).counts
    assert tight == pytest.approx(expected(sizes, Strategy.named("random"), Budget(draws)).counts)


@settings(deadline=None, max_examples=40)
@given(SIZES, CLIPS, st.sampled_from(KINDS))
def test_clip_times_are_when_the_counts_get_there(sizes: np.ndarray, clip: float, kind: str) -> None:
    strategy, budget = Strategy.named(kind, clip=clip), Budget(int(2 * clip * sizes.sum()) + 1)
    found, limits = expected(sizes, strategy, budget), np.floor(clip * sizes)
    times = np.sort(found.clip_times[np.isfinite(found.clip_times)])
    assert len(times) == (np.count_nonzero(limits) if math.isfinite(strategy.clip) else 0)
    assert sorted(found.clipped) == (np.flatnonzero(limits).tolist() if len(times) else [])
    if len(times) and strategy.stairs == 1:
        assert times[-1] == pytest.approx(limits.sum())
        for cluster in np.flatnonzero(limits):
            level = limits[cluster] / strategy.weights(sizes)[cluster]
            drawn = np.minimum(limits, level * strategy.weights(sizes)).sum()
            assert found.clip_times[cluster] == pytest.approx(drawn)


@pytest.mark.parametrize("lengths", [[0, 0, 0], [10, math.nan, 3], [10, -1, 3], [10, 3], [10, 3, 3, 3]])
def test_lengths_that_are_none_are_refused(lengths: list[float]) -> None:
    with pytest.raises(UserError, match=r"mean tokens .* accepted is one number above 0 for each of 3 clusters"):
        expected(EXAMPLE, Strategy.named("random"), Budget(10, "tokens"), np.array(lengths))


@pytest.mark.parametrize("kind", ["general_to_specific", "specific_to_general"])
@pytest.mark.parametrize("clip", [None, 1.5])
def test_curricula_agree_with_small_steps_of_a_moving_exponent(kind: str, clip: float | None) -> None:
    sizes, draws, steps = np.array([400, 90, 20, 3, 0, 1]), 600, 20_000
    counts, times, limits = np.zeros(6), np.full(6, np.inf), np.floor(sizes * (clip or 1e9))
    for step in range(steps):
        done = (step + 0.5) / steps
        alpha = 1 - done if kind == "general_to_specific" else done
        still = (sizes > 0) & (counts < limits)
        weights = np.where(still, np.maximum(sizes, 1.0) ** alpha, 0)
        counts = counts + draws / steps * weights / weights.sum()
        times[still & (counts >= limits)] = counts.sum()
    found = expected(sizes, Strategy.named(kind, clip=clip), Budget(draws))
    assert found.counts == pytest.approx(counts, abs=0.05)
    assert found.clip_times == pytest.approx(times, abs=0.5)


def test_a_budget_in_tokens_is_met_in_tokens() -> None:
    lengths = np.array([10.0, 300.0, 40.0])
    for kind in KINDS:
        found = expected(EXAMPLE, Strategy.named(kind, clip=20), Budget(900, "tokens"), lengths)
        assert found.counts @ lengths == pytest.approx(900)
    level = expected(EXAMPLE, Strategy.named("clusterclip", clip=2), Budget(900, "tokens"), lengths)
    assert level.counts == pytest.approx([6, 2, 6]) and level.clipped == [1, 2]


@settings(deadline=None)
@given(SIZES, CLIPS, st.integers(1, 500))
def test_a_trajectory_is_the_expectation_of_every_shorter_budget(sizes: np.ndarray, clip: float, draws: int) -> None:
    strategy = Strategy.named("clusterclip", clip=clip)
    path = trajectory(sizes, strategy, Budget(draws), points=9)
    assert path.counts[-1] == pytest.approx(expected(sizes, strategy, Budget(draws)).counts)
    assert path.counts[4].sum() == pytest.approx(min(draws / 2, np.floor(clip * sizes).sum()))
    assert path.active[0] == np.count_nonzero(np.floor(clip * sizes))
    assert path.entropy == pytest.approx(np.log(np.maximum(path.active, 1)))


@settings(deadline=None)
@given(SIZES, CLIPS, st.sampled_from(KINDS), st.integers(1, 2000), st.integers(1, 60))
def test_what_the_clips_leave_is_spread_as_documents_lie(
    sizes: np.ndarray, clip: float, kind: str, draws: int, length: int
) -> None:
    """In draws and in tokens, and at every point of a budget that reaches beyond the clips."""
    stops = Strategy.named(kind, clip=clip)
    goes_on, budget = Strategy.named(kind, clip=clip, on_exhausted="random"), Budget(draws)
    held, found = expected(sizes, stops, budget), expected(sizes, goes_on, budget)
    rest = draws - held.draws
    assert found.counts == pytest.approx(held.counts + rest * sizes / sizes.sum()) and found.draws == pytest.approx(draws)
    assert found.clipped == held.clipped and found.clip_times == pytest.approx(held.clip_times)
    lengths = np.full(len(sizes), float(length))
    in_tokens = expected(sizes, goes_on, Budget(length * draws, "tokens"), lengths)
    assert in_tokens.counts == pytest.approx(found.counts)
    path = trajectory(sizes, goes_on, budget, points=9)
    assert path.draws == pytest.approx(np.linspace(0, draws, len(path.draws))) and path.counts[-1] == pytest.approx(
        found.counts
    )
    if rest > 1 and stops.clip < math.inf:
        shares = sizes[sizes > 0] / sizes.sum()
        assert path.active[-1] == len(shares) and path.entropy[-1] == pytest.approx(-(shares * np.log(shares)).sum())


def test_three_passes_at_a_clip_of_two() -> None:
    found = expected(EXAMPLE, Strategy.named("clusterclip", clip=2, on_exhausted="random"), Budget(27))
    assert found.counts == pytest.approx([15, 3, 9]) and found.clip_times == pytest.approx([18, 6, 14])
    assert found.clipped == [0, 1, 2] and found.level == math.inf


def test_water_level_agrees_with_bisection() -> None:
    rng = np.random.default_rng(3)
    room, weights, costs = rng.uniform(0, 5, 40), rng.uniform(0.1, 2, 40), rng.uniform(1, 9, 40)
    low, high = 0.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if (np.minimum(room, middle * weights) * costs).sum() < 200 else (low, middle)
    assert water_level(room, weights, 200, costs) == pytest.approx(low)
    assert water_level(room, weights, (room * costs).sum() + 1, costs) == math.inf
    assert fill_times(np.array([1.0, np.inf, 0.0]), np.ones(3)).tolist() == [2, math.inf, math.inf]


@pytest.mark.parametrize("sizes", [[0, 0], [3, -1]])
def test_refuses_impossible_sizes(sizes: list[int]) -> None:
    with pytest.raises(UserError, match="accepted are counts"):
        expected(np.array(sizes), Strategy.named("uniform"), Budget(3))
    with pytest.raises(UserError, match="needs the mean tokens"):
        expected(EXAMPLE, Strategy.named("uniform"), Budget(3, "tokens"))
