"""Permutation, false discoveries and bootstrap against closed forms and other libraries."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from interp.heads.index.statistics import (
    StatisticsOptions,
    Summands,
    bootstrap_intervals,
    means,
    permutation_p_values,
    q_values,
)


def summands(upper: np.ndarray, lower: np.ndarray | None = None, *, cell: np.ndarray | None = None) -> Summands:
    """Every triplet in a document of its own."""
    lower = np.ones_like(upper) if lower is None else lower
    cell = np.zeros(len(upper), dtype=int) if cell is None else cell
    return Summands(cell, np.arange(len(upper)), upper, lower, lower[:, 0])


def test_p_value_equals_all_permutations() -> None:
    generator = np.random.default_rng(0)
    upper, lower = generator.random((5, 4)), generator.integers(1, 4, (5, 4)).astype(float)
    lower[2, 3] = lower[4, 1] = 0  # slots without events are no choice
    slots = [[slot for slot in range(4) if lower[row, slot]] for row in range(5)]
    ratios = [
        sum(upper[row, slot] for row, slot in enumerate(chosen)) / sum(lower[row, slot] for row, slot in enumerate(chosen))
        for chosen in product(*slots)
    ]
    exact = np.mean([ratio >= ratios[0] - 1e-9 for ratio in ratios])
    drawn = [permutation_p_values(summands(upper, lower), 1, StatisticsOptions(seed=seed))[0] for seed in range(300)]
    assert len(ratios) == 4 * 4 * 3 * 4 * 3 and np.mean(drawn) == pytest.approx(exact, rel=0.1)


def test_p_values_are_uniform_where_tails_are_random() -> None:
    generator = np.random.default_rng(1)
    data = summands(generator.random((4000, 9)), cell=np.repeat(np.arange(400), 10))
    p_values = permutation_p_values(data, 400, StatisticsOptions(draws=2000))
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_a_true_tail_gets_the_smallest_p_value() -> None:
    upper = np.zeros((12, 9))
    upper[:, 0] = 1
    found = permutation_p_values(summands(upper), 2, StatisticsOptions(draws=9_999))
    assert found[0] == pytest.approx(1e-4) and np.isnan(found[1])


def test_early_stopping_keeps_the_type_1_error() -> None:
    generator = np.random.default_rng(2)
    data = summands(generator.random((6000, 5)), cell=np.repeat(np.arange(1000), 6))
    rejected = (permutation_p_values(data, 1000, StatisticsOptions(draws=5_400)) <= 0.05).sum()
    assert binom(1000, 0.05).cdf(rejected) < 0.999


def test_triplets_without_a_random_tail_do_not_move_p() -> None:
    generator = np.random.default_rng(3)
    upper, lower = generator.random((8, 3)), np.ones((8, 3))
    lonely = np.concatenate([upper, [[5.0, 0, 0]]]), np.concatenate([lower, [[1.0, 0, 0]]])
    options = StatisticsOptions()
    assert (
        permutation_p_values(summands(*lonely), 1, options)[0] == permutation_p_values(summands(upper, lower), 1, options)[0]
    )
    found = means(summands(*lonely), 1)
    assert found.index[0] == pytest.approx((upper[:, 0].sum() + 5) / 9)
    assert (found.triplets[0], found.compared[0]) == (9, 8)
    assert found.excess[0] == pytest.approx(upper[:, 0].mean() - upper[:, 1:].mean())


def test_means_by_hand() -> None:
    upper = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 0.0]])
    lower = np.array([[2.0, 4.0, 4.0], [1.0, 2.0, 0.0]])
    found = means(summands(upper, lower), 2)
    assert found.index.tolist() == [pytest.approx(4 / 3), 0.0]
    assert found.control[0] == pytest.approx((3.0 + 1.0) / (4.0 + 2.0)) and np.isnan(found.control[1])
    assert found.triplets.tolist() == [2, 0] and found.events.tolist() == [3, 0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_by_hand(p_values: list[float]) -> None:
    """Step-up by its definition: the least p m / rank over all larger p-values, at most one."""
    p, m = np.array(p_values), len(p_values)
    ranks = np.array([(p <= value).sum() for value in p])
    expected = [min([1.0, *(p[other] * m / ranks[other] for other in range(m) if p[other] >= p[one])]) for one in range(m)]
    np.testing.assert_allclose(q_values(np.append(p, np.nan))[:-1], expected)


def test_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(0.3, 0.1, (400, 1))
    low, high = bootstrap_intervals(summands(values), 3, StatisticsOptions(resamples=4000))
    error = values.std() / 400**0.5
    assert low[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert np.isnan(low[1:]).all() and np.isnan(high[1:]).all()


def test_bootstrap_resamples_documents_not_triplets() -> None:
    """Forty equal triplets of one document are one observation."""
    generator = np.random.default_rng(5)
    values = np.repeat(generator.normal(0.3, 0.1, 20), 40)[:, None]
    data = Summands(np.zeros(800, dtype=int), np.repeat(np.arange(20), 40), values, np.ones_like(values), np.ones(800))
    low, high = bootstrap_intervals(data, 1, StatisticsOptions())
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * values.std() / 20**0.5, rel=0.15)
