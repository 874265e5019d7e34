"""The Othello transformer's weights inside a TransformerLens Bridge, for those who work with its hooks.

TransformerLens' `boot_native` builds the same architecture from a config; our fused query-key-value matrix is cut in
three. Two of its hooks mislead, so our own code reads neither: `attn.hook_attn_scores` fires after the softmax (its
rows sum to one; scores are q . k / sqrt(d_head), from `hook_q` and `hook_k`), and `hook_result` does not exist on native
models (per-head outputs are `hook_z` times W_O).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.othello.transformer import OthelloTransformer

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

_WHOLE = {
    "norm_attention": "ln1",
    "attention.output": "attn.o",
    "norm_mlp": "ln2",
    "mlp.up": "mlp.fc_in",
    "mlp.down": "mlp.fc_out",
}
"""Modules of our blocks and their names in a native block."""


def to_bridge(model: OthelloTransformer) -> TransformerBridge:
    """A Bridge that computes what `model` computes, on the same device; weights are copied, raw (nothing folded)."""
    from transformer_lens.config import TransformerBridgeConfig
    from transformer_lens.model_bridge.sources.native import boot

    shape, device = model.config, model.unembed.weight.device
    config = TransformerBridgeConfig(
        n_layers=shape.n_layers, n_heads=shape.n_heads, d_model=shape.d_model, d_head=shape.d_head, d_mlp=shape.d_mlp,
        n_ctx=shape.n_ctx, d_vocab=shape.d_vocab, act_fn="gelu", normalization_type="LN", init_weights=False,
    )  # fmt: skip
    bridge = boot(config, device=device, model_name="othello")
    slots = {name.replace("._original_component", ""): slot for name, slot in bridge.original_model.state_dict().items()}
    weights = _native_names(model)
    with torch.no_grad():
        for name, weight in weights.items():
            slots[name].copy_(weight)
    return bridge.eval()


def _native_names(model: OthelloTransformer) -> dict[str, Tensor]:
    own = model.state_dict()
    named = {
        "tok_embed.weight": own["embed.weight"],
        "pos.weight": own["pos_embed.weight"],
        "ln_out.weight": own["norm_final.weight"],
        "ln_out.bias": own["norm_final.bias"],
        "head.weight": own["unembed.weight"],
    }
    for layer in range(model.config.n_layers):
        for kind in ("weight", "bias"):
            for ours, theirs in _WHOLE.items():
                named[f"layers.{layer}.{theirs}.{kind}"] = own[f"blocks.{layer}.{ours}.{kind}"]
            for part, rows in zip("qkv", own[f"blocks.{layer}.attention.qkv.{kind}"].chunk(3), strict=True):
                named[f"layers.{layer}.attn.{part}.{kind}"] = rows
    return named
