"""Newton-Schulz against the singular value decomposition, and whole steps against PyTorch's own Muon."""

from __future__ import annotations

import pytest
import torch

from training.optimizers.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(2, 24, 40), (2, 40, 24)])
def test_singular_values_near_one_and_vectors_kept(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ orthogonalised(matrices) @ v.mT
    diagonal = inner.diagonal(dim1=-2, dim2=-1)
    assert diagonal.min() > 0.5 and diagonal.max() < 1.3
    assert (inner - torch.diag_embed(diagonal)).abs().max() < 0.05


def test_steps_are_torchs_but_for_its_half_precision() -> None:
    generator = torch.Generator().manual_seed(1)
    start = [torch.randn(shape, generator=generator) for shape in ((32, 16), (32, 16), (16, 48))]
    ours, theirs = ([weight.clone().requires_grad_() for weight in start] for _ in range(2))
    optimizers = [
        Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.1, adjust_lr_fn="original"),
    ]
    for _ in range(4):
        gradients = [torch.randn(weight.shape, generator=generator) for weight in start]
        for weights, optimizer in zip((ours, theirs), optimizers, strict=True):
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient.clone()
            optimizer.step()
    for before, mine, torchs in zip(start, ours, theirs, strict=True):
        moved = (mine - before).detach()
        assert (moved - (torchs - before)).norm() < 0.02 * moved.norm()
