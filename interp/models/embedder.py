"""Sentence embeddings as sentence-transformers defines them for MiniLM: mean of the token states, then unit length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MAX_TOKENS = 256
"""The length that MiniLM was tuned for; longer texts are cut there."""


class SentenceEmbedder(NamedTuple):
    """An encoder with its tokenizer."""

    model: Any
    tokenizer: Any

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "text d_model"]:
        """Unit vectors, one a text; their dot product is the similarity."""
        inputs = self.tokenizer(list(texts), padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").to(
            self.model.device
        )
        states = self.model(**inputs).last_hidden_state
        mask = inputs.attention_mask[..., None].to(states.dtype)
        return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def load_embedder(path: Path, *, device: torch.device) -> SentenceEmbedder:
    """Read a BERT-like encoder from a folder in transformers' format."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    return SentenceEmbedder(AutoModel.from_pretrained(path, local_files_only=True).to(device).eval(), tokenizer)
