"""Figures that describe a number of clusters, against scikit-learn's silhouette."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples

from interp.runs.errors import UserError
from tests.training.sampling.planted import planted
from training.sampling.choose_k import compare_k, silhouettes
from training.sampling.kmeans import KMeansOptions
from training.sampling.vectors import Matrix

VECTORS, _ = planted([80, 60, 40, 30], noise=0.15)


def test_silhouettes_are_those_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sampling.vectors.SLAB", 50)
    opposite = -VECTORS.mean(0, keepdim=True) / VECTORS.mean(0).norm()
    alone = torch.linalg.svd(VECTORS).Vh[-1:]  # where documents vary least
    vectors = torch.cat([VECTORS, alone])
    centroids = torch.cat([VECTORS[:5], alone, opposite])  # one cluster of a single document, one empty
    label = (vectors @ centroids.T).argmax(1)
    assert int((label == 5).sum()) == 1 and int((label == 6).sum()) == 0
    expected = silhouette_samples(vectors.double().numpy(), label.numpy(), metric="cosine")
    numbers = np.random.default_rng(0).permutation(len(vectors))[:150]
    np.testing.assert_allclose(silhouettes(Matrix(vectors), centroids, numbers), expected[numbers], atol=1e-5)


def test_one_cluster_has_a_silhouette_of_zero() -> None:
    assert silhouettes(Matrix(VECTORS), VECTORS[:1], np.arange(10)).tolist() == [0.0] * 10


def test_the_planted_number_has_the_best_silhouette() -> None:
    table = compare_k(Matrix(VECTORS), [2, 4, 30], KMeansOptions(seed=1), progress=False)
    assert table.clusters.tolist() == [2, 4, 30] and table.inertia.is_monotonic_decreasing
    assert table.silhouette.idxmax() == 1
    assert table.tiny.iloc[1] == 0 < table.tiny.iloc[2]
    found = table.iloc[1]
    shares = np.array([80, 60, 40, 30]) / 210
    assert found.largest == pytest.approx(shares[0])
    assert found.effective == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


def test_a_number_that_is_refused_is_refused_before_any_work() -> None:
    with pytest.raises(UserError, match="1 clusters of 210 documents"):
        compare_k(Matrix(VECTORS), [4, 1], KMeansOptions(), progress=False)
