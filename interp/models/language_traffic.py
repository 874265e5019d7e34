"""What passes the hooks of a language model's TransformerLens Bridge, without running more of the model than that needs.

The hooks have the same names in every architecture, and the load-time self-check has seen that what they carry adds up
to the residual stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


Hook = Callable[[Tensor, Any], None]


class Enough(Exception):
    """A hook raises it when all that is wanted has passed: the layers above and the unembedding need not run."""


@torch.no_grad()
def run_hooked(bridge: TransformerBridge, tokens: Int[Tensor, "batch pos"], hooks: Sequence[tuple[str, Hook]]) -> None:
    """One forward pass in which the named hooks see what passes, up to where one of them has `Enough`."""
    with bridge.hooks(fwd_hooks=list(hooks)), suppress(Enough):
        bridge(tokens, return_type=None, use_cache=False)


def language_traffic(
    bridge: TransformerBridge, tokens: Int[Tensor, "batch pos"], hooks: Sequence[str]
) -> dict[str, Float[Tensor, "batch pos d_model"]]:
    """What passes the named hooks, in one forward pass that ends at the last of them."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Hook:
        def hook(value: Tensor, hook: Any) -> None:
            seen[name] = value
            if len(seen) == len(set(hooks)):
                raise Enough

        return hook

    run_hooked(bridge, tokens, [(name, keep(name)) for name in hooks])
    return {name: seen[name] for name in hooks}
