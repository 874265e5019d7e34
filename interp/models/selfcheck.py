"""Is a wrapped model what we take it for? Checked at load, on one short random prompt, before any result rests on it.

1. The residual stream adds up: after each layer it equals what entered plus what attention and MLP wrote.
2. Attention is what we recompute: the softmax of scores built from the weights alone (norms, rotary positions and
   grouped keys included) equals the pattern that the model used. Score hooks are not read: some adapters fire them
   after the softmax.
3. The logits of the same recomputation are the model's.

Deviations are relative to the largest entry of the stream; patterns are compared as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from interp.models.adapters import read_weights, require_logits
from interp.models.record import Record
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

TOLERANCE = 1e-3
"""Float32 models stay below a hundredth of this, a wrong rotation or group is above it a hundredfold."""
_STREAM = ("hook_resid_pre", "hook_attn_out", "hook_mlp_out", "hook_resid_post")
_POSITIONS = 12


class SelfCheck(NamedTuple):
    """Largest deviations over all layers."""

    residual: float
    """Of the stream's sum, relative to its largest entry."""
    pattern: float
    """Of any attention probability."""


@torch.no_grad()
def self_check(bridge: TransformerBridge, name: str) -> SelfCheck:
    """Measure both deviations. Raises UserError if one exceeds TOLERANCE, or the architecture is not described here."""
    network = read_weights(bridge.original_model)
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(len(network.embedding), (_POSITIONS,), generator=generator).to(network.embedding.device)
    logits, cache = bridge.run_with_cache(tokens[None], names_filter=lambda hook: hook.endswith((*_STREAM, "hook_pattern")))
    record = network.run(tokens)
    check = SelfCheck(_residual_gap(cache, len(network.layers)), _pattern_gap(cache, record))
    if not check.residual < TOLERANCE:
        raise UserError(
            f"'{name}' cannot be taken apart: layer inputs plus attention and MLP outputs miss the layer outputs "
            f"by {check.residual:.1%}; accepted are pre-norm decoders"
        )
    if not check.pattern < TOLERANCE:
        raise UserError(
            f"'{name}' attends in a way that its weights do not explain to us: recomputed attention probabilities are "
            f"off by up to {check.pattern:.3f}; accepted are softmax attention with learned or rotary positions"
        )
    require_logits(bridge.original_model, record.logits, logits[0].float())
    return check


def _residual_gap(cache: Any, n_layers: int) -> float:
    gaps = []
    for layer in range(n_layers):
        before, attention, mlp, after = (cache[f"blocks.{layer}.{part}"].float() for part in _STREAM)
        gaps.append((before + attention + mlp - after).abs().max() / after.abs().max())
    return float(torch.stack(gaps).max())


def _pattern_gap(cache: Any, record: Record) -> float:
    gaps = [
        (layer.pattern - cache[f"blocks.{index}.attn.hook_pattern"][0].float()).abs().max()
        for index, layer in enumerate(record.layers)
    ]
    return float(torch.stack(gaps).max())
