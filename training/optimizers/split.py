"""Muon for the matrices inside a transformer's blocks, AdamW for embeddings, unembedding, biases and norms."""

from __future__ import annotations

import torch
from torch import nn

from training.optimizers.muon import Muon


def split_optimizers(
    model: nn.Module, blocks: nn.Module, *, muon_lr: float, adamw_lr: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """Both optimizers over all parameters of `model`; only the matrices of `blocks`, a part of it, decay."""
    matrices = [weight for weight in blocks.parameters() if weight.ndim == 2]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return [
        Muon(matrices, lr=muon_lr, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=adamw_lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
