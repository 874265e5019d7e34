"""Coordinates of documents: exact for PCA, near their like for UMAP, none outside the sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from interp.runs.errors import UserError
from tests.training.sampling.planted import planted
from training.sampling import map as module
from training.sampling.map import document_map
from training.sampling.vectors import Matrix

VECTORS, TRUTH = planted([60, 50, 40], noise=0.12)


def test_pca_is_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 32)
    expected = PCA(2, svd_solver="full").fit_transform(VECTORS.double().numpy())
    found = document_map(Matrix(VECTORS), method="pca")
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-5)
    assert found.dtype == np.float32


def test_at_most_so_many_have_coordinates() -> None:
    found = document_map(Matrix(VECTORS), method="pca", shown=40)
    assert np.isfinite(found).all(1).sum() == 40 and np.isnan(found).all(1).sum() == 110
    assert not np.array_equal(np.isnan(found), np.isnan(document_map(Matrix(VECTORS), method="pca", shown=40, seed=1)))


def test_identical_and_few_documents_have_a_place() -> None:
    same = document_map(Matrix(VECTORS[:1].repeat(40, 1)), method="pca")
    np.testing.assert_allclose(same, 0, atol=1e-5)
    assert np.isfinite(document_map(Matrix(VECTORS[:3]), method="umap")).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_documents_that_umap_did_not_see_lie_among_their_like() -> None:
    found = document_map(Matrix(VECTORS), method="umap", fitted=90)
    assert np.isfinite(found).all()
    centres = np.stack([np.median(found[TRUTH.numpy() == number], axis=0) for number in range(3)])
    nearest = np.linalg.norm(found[:, None] - centres, axis=2).argmin(1)
    assert (nearest == TRUTH.numpy()).mean() > 0.95


def test_a_sampled_document_keeps_its_own_coordinates_and_others_lie_between() -> None:
    coordinates = torch.arange(60.0).reshape(30, 2)
    placed = module._beside(Matrix(VECTORS[:40]), VECTORS[:30], coordinates)
    torch.testing.assert_close(placed[:30], coordinates)
    for row in range(30, 40):
        nearest = (VECTORS[:30] @ VECTORS[row]).topk(5)
        expected = np.average(coordinates[nearest.indices], axis=0, weights=nearest.values.clamp(min=1e-6))
        np.testing.assert_allclose(placed[row], expected, rtol=1e-5)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UserError, match="unknown map 'tsne': accepted are umap, pca"):
        document_map(Matrix(VECTORS), method="tsne")  # type: ignore[arg-type]
