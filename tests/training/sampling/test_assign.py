"""Assignment of old and new documents to centroids."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.runs.errors import UserError
from tests.training.sampling.planted import planted
from training.sampling.assign import assign, assigned_blocks
from training.sampling.kmeans import KMeansOptions, spherical_kmeans
from training.sampling.vectors import Matrix

VECTORS, TRUTH = planted([300, 200, 100, 50])


def test_documents_belong_to_the_cluster_that_k_means_counted_them_in() -> None:
    found = spherical_kmeans(Matrix(VECTORS), KMeansOptions(9), progress=False)
    given = assign(Matrix(VECTORS), found.centroids)
    assert np.bincount(given.cluster, minlength=9).tolist() == found.sizes.tolist()
    assert 1 - given.similarity.astype(np.float64).mean() == pytest.approx(found.inertia, abs=1e-9)
    similarities = (VECTORS @ found.centroids.T).numpy()
    ranked = np.argsort(-similarities, axis=1)
    assert (given.cluster == ranked[:, 0]).all() and (given.second == ranked[:, 1]).all()
    gap = np.take_along_axis(similarities, ranked, 1)
    np.testing.assert_allclose(given.margin, gap[:, 0] - gap[:, 1], atol=1e-6)
    assert [part.dtype for part in given] == [np.int32, np.float32, np.int32, np.float32]


def test_new_documents_of_a_planted_cluster_join_it() -> None:
    old, new = Matrix(VECTORS[:500]), Matrix(VECTORS[500:])
    centroids = torch.stack([VECTORS[:500][TRUTH[:500] == number].mean(0) for number in range(4)])
    centroids = torch.nn.functional.normalize(centroids, dim=1)
    assert (assign(old, centroids).cluster == TRUTH[:500].numpy()).all()
    assert (assign(new, centroids).cluster == TRUTH[500:].numpy()).all()


def test_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = assign(Matrix(VECTORS), VECTORS[:6])
    monkeypatch.setattr("training.sampling.vectors.SLAB", 100)
    blocks = list(assigned_blocks(Matrix(VECTORS), VECTORS[:6]))
    assert [len(block.cluster) for block in blocks] == [100] * 6 + [50]
    assert (np.concatenate([block.cluster for block in blocks]) == whole.cluster).all()


def test_no_documents_are_assigned_to_nothing() -> None:
    assert [part.dtype for part in assign(Matrix(VECTORS[:0]), VECTORS[:6])] == [np.int32, np.float32] * 2


def test_another_width_is_refused() -> None:
    with pytest.raises(UserError, match="embeddings of 32 dimensions cannot be assigned to centroids of 16"):
        assign(Matrix(VECTORS), VECTORS[:3, :16])
