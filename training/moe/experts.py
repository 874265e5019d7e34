"""SwiGLU experts of one layer in grouped matrix products: the rows of each expert meet its weights in one torch.mm.

One autograd function gathers an expert's rows, multiplies, and adds the weighted results to their tokens' outputs, so that
no intermediate result lives longer than one expert's turn, save what the backward pass needs: the two projections before
the gate. The gradient of a route's weight needs no stored output, since w (E(x) . g) has the derivative h . (W_down^T g),
and the backward pass has that product at hand.

benchmarks/moe_layer.py has it against its bare products and against torch's grouped_mm as Mixtral's block uses it.
Parameters are laid out and named as in `transformers`' Mixtral.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import silu


class Rows(NamedTuple):
    """Which tokens each expert reads, and with what weight its results are added up; ordered by expert."""

    token: Int[Tensor, " row"]
    weight: Float[Tensor, " row"]
    counts: tuple[int, ...]
    """Rows of each expert."""

    @classmethod
    def of(cls, token: Tensor, expert: Tensor, weight: Tensor, experts: int) -> Rows:
        """Rows in any order."""
        expert, order = torch.sort(expert, stable=True)
        counts = torch.bincount(expert, minlength=experts).tolist()
        return cls(token[order], weight[order], tuple(counts))


class Experts(nn.Module):
    """E gated MLPs: E(x) = W_down (silu(W_gate x) * W_up x), without biases."""

    def __init__(self, experts: int, d_model: int, d_expert: int, *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.gate_up_proj = nn.Parameter(_normal(experts, 2 * d_expert, d_model, generator))
        """Gate above, up below."""
        self.down_proj = nn.Parameter(_normal(experts, d_model, d_expert, generator))

    def __len__(self) -> int:
        return len(self.down_proj)

    def forward(self, x: Float[Tensor, "token d"], rows: Rows) -> Float[Tensor, "token d"]:
        """Sum over each token's rows of weight times the expert's result; zero for a token without rows."""
        dtype = _autocast_type(x) or x.dtype
        tensors = (tensor.to(dtype) for tensor in (x, rows.weight, self.gate_up_proj, self.down_proj))
        return _WeightedExperts.apply(*tensors, rows.token, rows.counts)


def _normal(experts: int, rows: int, columns: int, generator: torch.Generator) -> Tensor:
    return torch.randn(experts, rows, columns, generator=generator) * 0.02  # as transformers initialises


def _autocast_type(x: Tensor) -> torch.dtype | None:
    """What products are taken in under autocast, which does not look inside an autograd function."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None


class _WeightedExperts(torch.autograd.Function):
    """Gather, expert, weight, scatter."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, gate_up: Tensor, down: Tensor, token: Tensor, counts: tuple[int, ...]
    ) -> Tensor:
        """Output of every token."""
        keep = any(ctx.needs_input_grad)
        out, projections, width = torch.zeros_like(x), [], down.shape[2]
        for expert, part in _parts(counts):
            where = token[part]
            projected = torch.mm(x.index_select(0, where), gate_up[expert].T)
            gate, up = projected.split(width, 1)
            result = torch.mm(silu(gate).mul_(up), down[expert].T)
            out.index_add_(0, where, result.mul_(weight[part, None]))
            if keep:
                projections.append(projected)
        if keep:
            ctx.counts = counts
            ctx.save_for_backward(x, weight, gate_up, down, token, *projections)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of tokens, weights, and both matrices."""
        x, weight, gate_up, down, token, *projections = ctx.saved_tensors
        grad_x, grad_weight = torch.zeros_like(x), torch.zeros_like(weight)
        grad_gate_up, grad_down = torch.empty_like(gate_up), torch.empty_like(down)
        for expert, part in _parts(ctx.counts):
            where = token[part]
            upstream, share = grad.index_select(0, where), weight[part, None]
            hidden, into = _gate_backward(projections.pop(0), torch.mm(upstream, down[expert]), share, grad_weight[part])
            torch.mm(upstream.mul_(share).T, hidden, out=grad_down[expert])
            torch.mm(into.T, x.index_select(0, where), out=grad_gate_up[expert])
            grad_x.index_add_(0, where, torch.mm(into, gate_up[expert]))
        for idle in (expert for expert, count in enumerate(ctx.counts) if not count):
            grad_gate_up[idle].zero_()
            grad_down[idle].zero_()
        return grad_x, grad_weight, grad_gate_up, grad_down, None, None


def _gate_backward(projected: Tensor, grad_hidden: Tensor, share: Tensor, grad_weight: Tensor) -> tuple[Tensor, Tensor]:
    """The hidden row again, and the gradient of the projections; writes the gradient of the routes' weights.

    `grad_hidden` is that of the unweighted result, and is used up.
    """
    gate, up = projected.split(grad_hidden.shape[1], 1)
    active = silu(gate)
    hidden = active * up
    torch.linalg.vecdot(grad_hidden, hidden, out=grad_weight)
    grad_hidden.mul_(share)
    into = torch.empty_like(projected)
    torch.mul(grad_hidden, active, out=into[:, grad_hidden.shape[1] :])
    into[:, : grad_hidden.shape[1]] = torch.ops.aten.silu_backward(grad_hidden.mul_(up), gate)
    return hidden, into


def _parts(counts: tuple[int, ...]) -> Iterator[tuple[int, slice]]:
    """Experts that have rows, and where those lie."""
    first = 0
    for expert, count in enumerate(counts):
        if count:
            yield expert, slice(first, first + count)
        first += count
