"""A pre-norm decoder as plain tensors, with a forward pass that keeps every intermediate.

Circuit tracing (He et al. 2024, arXiv 2402.12201, section B4 of our notes) needs each weight per head and each
intermediate by name. `Network` is that: no hooks, no module tree, one layout for GPT-2, Llama, Qwen2, NeoX and the
Othello transformer. LayerNorm or RMSNorm, learned or rotary positions (partial ones too), grouped key/value heads,
plain or gated MLPs, sequential or parallel residuals. Missing biases are zeros, so that no formula has two cases.
Every function takes leading batch axes. Attention scores are computed here from queries and keys, never read from
hooks, whose meaning differs between adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.activations import Activation, self_gate
from interp.models.record import LayerRecord, Record
from interp.models.rotary import Rotary

if TYPE_CHECKING:
    from interp.models.random_network import NetworkShape
    from interp.othello.transformer import OthelloTransformer

Freezable = Literal["patterns", "scales", "gates", "writes"]


@dataclass(frozen=True)
class Norm:
    """LayerNorm (`centred`) or RMSNorm; linear once its scale is held fixed."""

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    eps: float
    centred: bool

    def scale(self, x: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows"]:
        """The reciprocal of the (centred) root mean square."""
        centre = x.mean(-1, keepdim=True) if self.centred else 0.0
        return ((x - centre).square().mean(-1) + self.eps).rsqrt()

    def linear(self, x: Float[Tensor, "*rows d_model"], scale: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows d_model"]:
        """LN*(x): centring, given scale and weight, without the bias."""
        return self.weight * (x - x.mean(-1, keepdim=True) if self.centred else x) * scale[..., None]

    def transpose(
        self, reads: Float[Tensor, "*rows d_model"], scale: Float[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows d_model"]:
        """The vector u' with u' . x = u . LN*(x) for all x."""
        weighted = self.weight * reads * scale[..., None]
        return weighted - weighted.mean(-1, keepdim=True) if self.centred else weighted


@dataclass(frozen=True)
class Attention:
    """Weights by head. Query head h reads key/value head h // (heads // kv_heads)."""

    W_Q: Float[Tensor, "head d_model d_head"]
    W_K: Float[Tensor, "kv_head d_model d_head"]
    W_V: Float[Tensor, "kv_head d_model d_head"]
    W_O: Float[Tensor, "head d_head d_model"]
    b_Q: Float[Tensor, "head d_head"]
    b_K: Float[Tensor, "kv_head d_head"]
    b_V: Float[Tensor, "kv_head d_head"]
    b_O: Float[Tensor, " d_model"]
    scale: float
    """Factor on the scores, usually 1 / sqrt(d_head)."""
    rotary: Rotary | None = None

    @property
    def kv_of_head(self) -> Int[Tensor, " head"]:
        """The key/value head that each query head reads."""
        group = len(self.W_Q) // len(self.W_K)
        return torch.arange(len(self.W_Q), device=self.W_Q.device) // group

    def queries(self, x: Float[Tensor, "*batch pos d_model"]) -> Float[Tensor, "*batch head pos d_head"]:
        """Queries before any rotation."""
        return x[..., None, :, :] @ self.W_Q + self.b_Q[:, None]

    def keys(self, x: Float[Tensor, "*batch pos d_model"]) -> Float[Tensor, "*batch head pos d_head"]:
        """Keys before any rotation, one a query head."""
        return (x[..., None, :, :] @ self.W_K + self.b_K[:, None])[..., self.kv_of_head, :, :]

    def values(self, x: Float[Tensor, "*batch pos d_model"]) -> Float[Tensor, "*batch head pos d_head"]:
        """Values, one a query head."""
        return (x[..., None, :, :] @ self.W_V + self.b_V[:, None])[..., self.kv_of_head, :, :]

    def rotate(self, x: Float[Tensor, "*batch pos d_head"]) -> Float[Tensor, "*batch pos d_head"]:
        """Queries or keys with the rotation of their position, if there is one."""
        if self.rotary is None:
            return x
        return self.rotary.rotate(x, torch.arange(x.shape[-2], device=x.device))


@dataclass(frozen=True)
class MLP:
    """hidden = (x W_in + b_in) * gate; the gate is act(x W_gate + b_gate), or act(z) / z of the pre-activation z.

    Either way the MLP is linear in `x W_in + b_in` once its gate is held fixed: that is the approximate direct
    contribution of He et al. (their ADC), extended to gated MLPs.
    """

    W_in: Float[Tensor, "d_model d_mlp"]
    b_in: Float[Tensor, " d_mlp"]
    W_out: Float[Tensor, "d_mlp d_model"]
    b_out: Float[Tensor, " d_model"]
    act: Activation
    W_gate: Float[Tensor, "d_model d_mlp"] | None = None
    b_gate: Float[Tensor, " d_mlp"] | None = None

    def gate(
        self, x: Float[Tensor, "*batch pos d_model"], pre: Float[Tensor, "*batch pos d_mlp"]
    ) -> Float[Tensor, "*batch pos d_mlp"]:
        """The factor on each neuron's pre-activation `pre` at the normalised input `x`."""
        if self.W_gate is None:
            return self_gate(pre, self.act)
        z = x @ self.W_gate + (0 if self.b_gate is None else self.b_gate)
        return z * self_gate(z, self.act)


@dataclass(frozen=True)
class Layer:
    """One block; `parallel` means that the MLP reads what the attention reads."""

    norm_attention: Norm
    attention: Attention
    norm_mlp: Norm
    mlp: MLP
    parallel: bool = False


@dataclass(frozen=True)
class Edits:
    """Changes to a forward pass."""

    maps: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """What a site writes (or `embed`: token plus position) -> what it writes instead."""
    reference: Record | None = None
    """Where frozen quantities come from."""
    freeze: frozenset[Freezable] = frozenset()
    """Attention patterns, norm scales, MLP gates, and what the sites write to the residual stream. With `writes`
    frozen the record still holds each site's recomputed output, but only the map's change to it is passed on."""


@dataclass(frozen=True)
class Network:
    """A decoder; `unembedding` may be a view of `embedding`."""

    embedding: Float[Tensor, "vocab d_model"]
    positions: Float[Tensor, "n_ctx d_model"] | None
    layers: tuple[Layer, ...]
    norm_final: Norm
    unembedding: Float[Tensor, "d_model vocab"]
    unembedding_bias: Float[Tensor, " vocab"]

    @classmethod
    def from_othello(cls, model: OthelloTransformer) -> Network:
        """The Othello transformer's weights, not copied."""
        from interp.models.adapters import from_othello

        return from_othello(model)

    @classmethod
    def from_bridge(cls, bridge: Any) -> Network:
        """The weights of a TransformerLens Bridge. Raises UserError for an architecture that is not described here."""
        from interp.models.adapters import from_transformers

        return from_transformers(bridge.original_model)

    @classmethod
    def random(cls, shape: NetworkShape, generator: torch.Generator) -> Network:
        """Seeded random weights, biases and norms included: a case for property tests."""
        from interp.models.random_network import random_network

        return random_network(shape, generator)

    @property
    def sites(self) -> list[str]:
        """Write sites in order: L0A, L0M, L1A, ..."""
        return [f"L{layer}{kind}" for layer in range(len(self.layers)) for kind in "AM"]

    def to(self, dtype: torch.dtype) -> Network:
        """The same network in another precision."""
        return _cast(self, dtype)

    def reads(self, site: str) -> int:
        """How many of `sites`, in order, a site's module reads from the residual stream."""
        layer = int(site[1:-1])
        return 2 * layer + (site[-1] == "M" and not self.layers[layer].parallel)

    def run(self, tokens: Int[Tensor, " pos"], edits: Edits | None = None) -> Record:
        """A forward pass over one prompt; the record gets a batch axis where an edit adds one."""
        edits = edits or Edits()
        token, position = self._embed(tokens)
        residual = token + position
        residual = edits.maps["embed"](residual) if "embed" in edits.maps else residual
        records = []
        for index, layer in enumerate(self.layers):
            records.append(_run_layer(layer, index, residual, edits))
            residual = records[-1].resid_post
        frozen_scale = edits.reference.final_scale if edits.reference and "scales" in edits.freeze else None
        scale = self.norm_final.scale(residual) if frozen_scale is None else frozen_scale
        final = self.norm_final.linear(residual, scale) + self.norm_final.bias
        logits = final @ self.unembedding + self.unembedding_bias
        return Record(tokens, token, position, tuple(records), residual, scale, logits)

    def _embed(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        token = self.embedding[tokens]
        return token, torch.zeros_like(token) if self.positions is None else self.positions[: len(tokens)]


def _run_layer(layer: Layer, index: int, residual: Tensor, edits: Edits) -> LayerRecord:
    reference = edits.reference.layers[index] if edits.reference else None
    frozen = {part: reference if part in edits.freeze else None for part in ("patterns", "scales", "gates", "writes")}
    norm, attention = layer.norm_attention, layer.attention
    scale_a = frozen["scales"].attention_scale if frozen["scales"] else norm.scale(residual)
    x = norm.linear(residual, scale_a) + norm.bias
    q, k, v = attention.rotate(attention.queries(x)), attention.rotate(attention.keys(x)), attention.values(x)
    scores = q @ k.mT * attention.scale
    pattern = frozen["patterns"].pattern if frozen["patterns"] else causal_softmax(scores)
    z = pattern @ v
    attention_out = torch.einsum("...hpe,hed->...pd", z, attention.W_O) + attention.b_O
    mid = residual + _written(f"L{index}A", attention_out, frozen["writes"] and frozen["writes"].attention_out, edits)
    mlp_input = residual if layer.parallel else mid
    scale_m = frozen["scales"].mlp_scale if frozen["scales"] else layer.norm_mlp.scale(mlp_input)
    normed = layer.norm_mlp.linear(mlp_input, scale_m) + layer.norm_mlp.bias
    pre = normed @ layer.mlp.W_in + layer.mlp.b_in
    gate = frozen["gates"].gate if frozen["gates"] else layer.mlp.gate(normed, pre)
    mlp_out = (pre * gate) @ layer.mlp.W_out + layer.mlp.b_out
    post = mid + _written(f"L{index}M", mlp_out, frozen["writes"] and frozen["writes"].mlp_out, edits)
    return LayerRecord(
        residual, scale_a, q, k, v, scores, pattern, z, attention_out, mid, scale_m, normed, pre, gate, mlp_out, post
    )  # fmt: skip


def _written(site: str, output: Tensor, frozen: Tensor | None, edits: Edits) -> Tensor:
    """What reaches the residual stream: the (frozen) output after the site's map."""
    written = output if frozen is None else frozen
    return edits.maps[site](written) if site in edits.maps else written


def causal_softmax(scores: Float[Tensor, "*batch query key"]) -> Float[Tensor, "*batch query key"]:
    """Attention pattern of scores, later keys masked."""
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype)
    if isinstance(value, tuple):
        return tuple(_cast(item, dtype) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{item.name: _cast(getattr(value, item.name), dtype) for item in fields(value)})
    return value
