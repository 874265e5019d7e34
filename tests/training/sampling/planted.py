"""Unit vectors around known centres."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize


def planted(sizes: Sequence[int], *, width: int = 32, noise: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Vectors in shuffled order and the number of the centre of each; `noise` is each coordinate's deviation."""
    generator = torch.Generator().manual_seed(seed)
    centres = normalize(torch.randn(len(sizes), width, generator=generator), dim=1)
    truth = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    truth = truth[torch.randperm(len(truth), generator=generator)]
    vectors = centres[truth] + noise * torch.randn(len(truth), width, generator=generator)
    return normalize(vectors, dim=1), truth
