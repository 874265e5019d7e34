"""What turns texts into unit vectors: a sentence-transformers model, or TF-IDF with SVD, which needs no model.

The paper's code (arXiv 2402.14526) takes the mean of an encoder's last states and scales it to length 1; a
sentence-transformers model says itself how it pools. Our default is the shipped MiniLM. Texts are batched by their
length in tokens: padded to the longest of 32 random docstrings, a batch is three times its tokens; sorted, 1.02 times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.registry import SHIPPED, shipped_path
from interp.runs.device import autocast, resolve
from interp.runs.errors import UserError

MINILM, TFIDF = "minilm", "tfidf"
BATCH_TOKENS = 2048
"""Tokens of a batch, padding counted: larger ones are no faster on a CPU, where they leave the caches."""
_CUDA_BATCH_TOKENS = 65_536
_CHARACTERS_PER_TOKEN = 64
"""A text is cut at this many characters a token before it is tokenized, so that a book does not cost a book's time."""
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


class Embedder(Protocol):
    """Texts to unit vectors."""

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "text d"]:
        """One vector a text, on the CPU."""
        ...


class TransformerEmbedder:
    """A sentence-transformers model."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.budget = _CUDA_BATCH_TOKENS if model.device.type == "cuda" else BATCH_TOKENS

    def __call__(self, texts: Sequence[str]) -> Float[Tensor, "text d"]:
        """One vector a text; texts longer than the model takes are cut, as sentence-transformers does."""
        lengths, found = self.lengths(texts), {}
        for batch in batches(lengths, self.budget):
            for number, vector in zip(batch, self.encode([texts[number] for number in batch]), strict=True):
                found[number] = vector
        return torch.stack([found[number] for number in range(len(texts))])

    @property
    def longest(self) -> int:
        """Tokens at which a text is cut."""
        return int(self.model.max_seq_length or 512)

    def encode(self, texts: Sequence[str]) -> Float[Tensor, "text d"]:
        """One batch, as it is."""
        cut = [text[: self.longest * _CHARACTERS_PER_TOKEN] for text in texts]
        with autocast(self.model.device):
            vectors = self.model.encode(cut, batch_size=len(cut), convert_to_tensor=True, show_progress_bar=False)
        return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text after the cut; models without a Hugging Face tokenizer pad nothing, so 1 does for them."""
        from transformers import PreTrainedTokenizerBase

        tokenizer = self.model.tokenizer
        if not isinstance(tokenizer, PreTrainedTokenizerBase):
            return [1] * len(texts)
        cut = [text[: self.longest * _CHARACTERS_PER_TOKEN] for text in texts]
        tokens = tokenizer(cut, truncation=True, max_length=self.longest, return_attention_mask=False)["input_ids"]
        return [len(one) for one in tokens]


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Numbers of texts of like length, longest first, as many as stay within `budget` tokens once padded."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    first = 0
    while first < len(order):
        count = max(budget // max(lengths[order[first]], 1), 1)
        yield order[first : first + count]
        first += count


def transformer_embedder(name: str, device: str = "auto") -> TransformerEmbedder:
    """A shipped name, a folder in sentence-transformers' format, or an id on the Hub, which alone touches the network.

    Raises UserError if there is no such model, it cannot be read, or sentence-transformers is not installed.
    """
    place = _place(name)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise UserError("embedding needs sentence-transformers: pip install 'interp-lab[data]'; or take tfidf") from None
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model = SentenceTransformer(str(place), device=str(resolve(device)), local_files_only=isinstance(place, Path))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"'{name}' cannot be read as a sentence-transformers model ({error})") from None
    return TransformerEmbedder(model.eval())


def _place(name: str) -> Path | str:
    if name in SHIPPED and SHIPPED[name].kind == "sentence embedder":
        return shipped_path(name)
    if Path(name).is_dir():
        return Path(name)
    if _HUB_ID.fullmatch(name) and not Path(name).parent.exists():
        return name
    raise UserError(
        f"there is no embedder '{name}'; accepted are {MINILM}, {TFIDF}, a folder in sentence-transformers' format, "
        "or a Hugging Face id owner/name"
    )


def check_embedder(name: str) -> None:
    """Raises UserError, before anything heavy is imported, for a name that can be none."""
    if name != TFIDF:
        _place(name)
