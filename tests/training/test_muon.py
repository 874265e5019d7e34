"""Newton-Schulz against the singular value decomposition."""

from __future__ import annotations

import pytest
import torch

from training.optimizers.muon import orthogonalised


@pytest.mark.parametrize("shape", [(2, 24, 40), (2, 40, 24)])
def test_singular_values_near_one_and_vectors_kept(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ orthogonalised(matrices) @ v.mT
    diagonal = inner.diagonal(dim1=-2, dim2=-1)
    assert diagonal.min() > 0.5 and diagonal.max() < 1.3
    assert (inner - torch.diag_embed(diagonal)).abs().max() < 0.05
