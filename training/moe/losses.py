"""Losses that keep a router even and its logits small.

Balance (Switch, GShard; as arXiv 2402.12399 trains, weight 0.01 there): E sum_e f_e P_e over *first choices only*, f_e the
share of tokens whose first choice is e, before anything is dropped, P_e the mean probability of e. It is 1 when even. It
is computed a rank and averaged: every rank sees its own tokens only, and the mean of products is not the product of means.
Sigmoids are no probabilities; they are divided by a token's sum first, as DeepSeek-V3 does (arXiv 2412.19437).

z (ST-MoE, arXiv 2202.08906): mean of log(sum_e exp a_e)^2; 0 in the runs of arXiv 2402.12399.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from training.moe.plan import Request, best


def balance_loss(request: Request) -> Float[Tensor, ""]:
    """Mean over ranks of E sum_e f_e P_e; ranks of nothing but padding are left out."""
    ranks, tokens, experts = request.scores.shape
    real = request.real().view(ranks, tokens)
    shares = request.scores / request.scores.sum(-1, keepdim=True).clamp(min=torch.finfo(request.scores.dtype).tiny)
    first = best(request.preferences(), 1).view(ranks, tokens)
    chosen = torch.zeros_like(request.scores).scatter_(2, first[..., None], 1) * real[..., None]
    present = real.sum(1).clamp(min=1)
    share, mean = chosen.sum(1) / present[:, None], (shares * real[..., None]).sum(1) / present[:, None]
    return experts * (share * mean).sum() / real.any(1).sum().clamp(min=1)


def z_loss(logits: Float[Tensor, "rank token expert"], mask: Bool[Tensor, "rank token"] | None = None) -> Float[Tensor, ""]:
    """Mean over tokens, padding left out."""
    squares = logits.logsumexp(-1).square()
    return squares.mean() if mask is None else squares[mask].sum() / mask.sum().clamp(min=1)
