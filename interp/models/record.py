"""Every intermediate of one forward pass, named as TransformerLens names them where it has a name."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor


class LayerRecord(NamedTuple):
    """One block. All tensors may have leading batch axes when an edit added them."""

    resid_pre: Float[Tensor, "pos d_model"]
    attention_scale: Float[Tensor, " pos"]
    """Reciprocal root mean square at the attention's norm."""
    q: Float[Tensor, "head pos d_head"]
    """Queries, rotated where the model rotates."""
    k: Float[Tensor, "head pos d_head"]
    """Keys, rotated where the model rotates; one a query head."""
    v: Float[Tensor, "head pos d_head"]
    scores: Float[Tensor, "head query key"]
    """Scaled, before mask and softmax."""
    pattern: Float[Tensor, "head query key"]
    z: Float[Tensor, "head pos d_head"]
    """Values mixed by the pattern."""
    attention_out: Float[Tensor, "pos d_model"]
    """What the attention computes, output bias included, before any edit of it."""
    resid_mid: Float[Tensor, "pos d_model"]
    mlp_scale: Float[Tensor, " pos"]
    mlp_normed: Float[Tensor, "pos d_model"]
    """The MLP's normalised input, which transcoders read."""
    mlp_pre: Float[Tensor, "pos d_mlp"]
    gate: Float[Tensor, "pos d_mlp"]
    """Factor on `mlp_pre`, see `interp.models.network.MLP`."""
    mlp_out: Float[Tensor, "pos d_model"]
    resid_post: Float[Tensor, "pos d_model"]


class Record(NamedTuple):
    """One prompt."""

    tokens: Int[Tensor, " pos"]
    token_embedding: Float[Tensor, "pos d_model"]
    position_embedding: Float[Tensor, "pos d_model"]
    """Zeros in networks without learned positions."""
    layers: tuple[LayerRecord, ...]
    resid_final: Float[Tensor, "pos d_model"]
    final_scale: Float[Tensor, " pos"]
    logits: Float[Tensor, "pos vocab"]

    def output(self, site: str) -> Float[Tensor, "pos d_model"]:
        """What the module of a site such as `L2M` computed."""
        layer = self.layers[int(site[1:-1])]
        return layer.attention_out if site[-1] == "A" else layer.mlp_out
