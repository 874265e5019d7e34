"""Random small networks that cover what `Network` can describe: cases for property tests and demonstrations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from interp.models.activations import Activation
from interp.models.network import MLP, Attention, Layer, Network, Norm
from interp.models.rotary import Rotary


@dataclass(frozen=True)
class NetworkShape:
    """Sizes and variants of a random network."""

    n_layers: int = 2
    d_model: int = 16
    n_heads: int = 4
    n_kv_heads: int = 4
    d_head: int = 4
    d_mlp: int = 24
    d_vocab: int = 11
    n_ctx: int = 8
    centred: bool = True
    """LayerNorm rather than RMSNorm."""
    rotary: int = 0
    """Dimensions of a head that turn; 0 gives learned positions instead."""
    gated: bool = False
    act: Activation = "gelu"
    biases: bool = True
    parallel: bool = False


def random_network(shape: NetworkShape, generator: torch.Generator) -> Network:
    """Weights of the size that keeps activations near one; biases as large as weights, so that none hides."""

    def matrix(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator) / size[-2] ** 0.5

    def bias(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator) * (0.3 if shape.biases else 0.0)

    def norm() -> Norm:
        weight = 1 + 0.3 * torch.randn(shape.d_model, generator=generator)
        return Norm(weight, bias(shape.d_model), 1e-5, shape.centred)

    def attention() -> Attention:
        heads, groups, d, e = shape.n_heads, shape.n_kv_heads, shape.d_model, shape.d_head
        rotary = Rotary(torch.rand(shape.rotary // 2, generator=generator) + 0.1) if shape.rotary else None
        return Attention(
            matrix(heads, d, e), matrix(groups, d, e), matrix(groups, d, e), matrix(heads, e, d),
            bias(heads, e), bias(groups, e), bias(groups, e), bias(d), e**-0.5, rotary,
        )  # fmt: skip

    def mlp() -> MLP:
        d, width = shape.d_model, shape.d_mlp
        gate = (matrix(d, width), bias(width)) if shape.gated else (None, None)
        return MLP(matrix(d, width), bias(width), matrix(width, d), bias(d), shape.act, *gate)

    layers = tuple(Layer(norm(), attention(), norm(), mlp(), shape.parallel) for _ in range(shape.n_layers))
    positions = None if shape.rotary else torch.randn(shape.n_ctx, shape.d_model, generator=generator)
    embedding = torch.randn(shape.d_vocab, shape.d_model, generator=generator)
    return Network(embedding, positions, layers, norm(), matrix(shape.d_model, shape.d_vocab), bias(shape.d_vocab))
