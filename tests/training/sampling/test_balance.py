"""Figures of unevenness against their definitions, pair by pair and document by document."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.sampling.balance import balance, common_clusters

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any)


@given(SIZES)
def test_figures_are_what_they_are_defined_as(sizes: list[int]) -> None:
    found, full = balance(np.array(sizes)), [size for size in sizes if size]
    difference = np.mean([abs(one - other) for one in full for other in full])
    assert found.gini == pytest.approx(difference / 2 / np.mean(full), abs=1e-12)
    documents = np.repeat(np.arange(len(full)), full)
    surprise = np.mean([-np.log(full[cluster] / len(documents)) for cluster in documents])
    assert found.effective == pytest.approx(np.exp(surprise))
    assert found.entropy == pytest.approx(surprise / np.log(len(full)) if len(full) > 1 else 1.0)
    assert (found.documents, found.clusters, found.empty) == (sum(sizes), len(sizes), sizes.count(0))
    assert found.largest == pytest.approx(max(sizes) / sum(sizes))


def test_ends_of_the_scales() -> None:
    alike, one = balance(np.full(8, 5)), balance(np.array([10**6] + [1] * 99))
    assert alike.gini == pytest.approx(0) and alike.entropy == pytest.approx(1) and alike.effective == pytest.approx(8)
    assert one.gini > 0.98 and one.effective < 1.01
    assert balance(np.zeros(3, int)) == (0, 3, 3, 0.0, 0.0, 0.0, 0.0)


@given(SIZES, st.floats(0.01, 0.99))
def test_common_clusters_are_the_fewest_that_hold_the_share(sizes: list[int], share: float) -> None:
    count, falling = common_clusters(np.array(sizes), share), sorted(sizes, reverse=True)
    assert sum(falling[:count]) >= share * sum(sizes) * (1 - 1e-9) > sum(falling[: count - 1]) * (1 - 1e-8)
