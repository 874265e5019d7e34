"""A transformers model and its tokenizer as a TransformerLens Bridge, without a network and without side effects."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from interp.models.selfcheck import SelfCheck, self_check

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


class LanguageModel(NamedTuple):
    """A language model that passed the self-check."""

    bridge: TransformerBridge
    """The model with TransformerLens' hooks; float32 on CPU, raw weights (no folding, no centring)."""
    tokenizer: Any
    """Its own tokenizer, as published. The Bridge keeps a copy that it changes: it makes `bos` equal `eos` where it has
    no `bos`, and its `to_tokens` always prepends one, which many models were not trained with."""
    name: str
    """What was asked for."""
    check: SelfCheck
    """How exactly the model was understood."""

    def tokens(self, text: str) -> Int[Tensor, "1 pos"]:
        """Token ids as the model's own tokenizer gives them, on the model's device."""
        return self.tokenizer(text, return_tensors="pt").input_ids.to(next(self.bridge.parameters()).device)


def wrap(model: Any, tokenizer: Any, *, name: str, device: torch.device) -> LanguageModel:
    """Wrap a transformers model (its attention becomes eager, so that patterns exist) and check it.

    Raises UserError if the self-check fails.
    """
    from transformer_lens.model_bridge import TransformerBridge

    bridge = TransformerBridge.boot_transformers(
        name, hf_model=model.to(device).eval(), tokenizer=_for_bridge(tokenizer, name), device=str(device)
    )
    return LanguageModel(bridge, tokenizer, name, self_check(bridge, name))


def _for_bridge(tokenizer: Any, name: str) -> Any:
    """A copy that the Bridge may change. The two entries keep it from loading the tokenizer anew by its name."""
    copied = copy.deepcopy(tokenizer)
    copied.init_kwargs = {**copied.init_kwargs, "name_or_path": name, "add_bos_token": True}
    return copied
