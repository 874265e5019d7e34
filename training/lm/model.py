"""The decoder: transformers' Llama in a small shape, so that everything which reads Hub models reads ours too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class DecoderShape:
    """RMSNorm, rotary positions, gated MLPs.

    Embedding and unembedding are one matrix, as in SmolLM2 and unlike in InternLM2: copying a token is then close to the
    identity, and need not be learnt for every token by itself.
    """

    vocab: int = 2048
    layers: int = 4
    d_model: int = 128
    heads: int = 4
    d_mlp: int = 384
    context: int = 512
    """Longest sequence in tokens."""


def new_decoder(shape: DecoderShape, *, end: int, seed: int) -> LlamaForCausalLM:
    """A decoder with random weights; `end` is the token between documents."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocab, hidden_size=shape.d_model, intermediate_size=shape.d_mlp,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context, tie_word_embeddings=True, bos_token_id=None, eos_token_id=end,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # transformers draws initial weights from the global generator alone
        return LlamaForCausalLM(config)
