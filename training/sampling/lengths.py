"""How many tokens each document of a prepared corpus has, for budgets in tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from interp.runs.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from training.sampling.grouped import GroupedCorpus

CHARACTERS_PER_TOKEN = 4.0
"""Rough figure for English text and byte-pair encodings of tens of thousands of tokens; our choice."""


@dataclass(frozen=True)
class TokenCount:
    """Where counts come from: a column of the corpus, a tokenizer, or else the characters."""

    column: str | None = None
    """Metadata column that holds the tokens of a document."""
    tokenizer: str | None = None
    """File `tokenizer.json`, or a folder with one, such as a checkpoint of `interp lm train`."""
    characters: float = CHARACTERS_PER_TOKEN
    """Characters that count as a token where neither is given."""

    def __post_init__(self) -> None:
        if self.column and self.tokenizer:
            raise UserError(
                f"tokens by column '{self.column}' and by tokenizer {self.tokenizer}; accepted is one of the two"
            )
        if not 0 < self.characters < math.inf:
            raise UserError(f"{self.characters} characters a token are refused; accepted is a number above 0")

    def lengths(self, run: GroupedCorpus) -> Int[np.ndarray, " document"]:
        """Tokens of every document, an empty one counting as one token.

        Raises UserError for a column that is missing or holds no counts, and for a tokenizer that cannot be read.
        """
        if self.tokenizer:
            tokenizer = _tokenizer(Path(self.tokenizer))
            parts = [_encoded(tokenizer, batch) for batch in run.documents(["text"])]
        else:
            name = self.column or "characters"
            parts = [_numbers(batch, name) for batch in run.documents([name])]
        tokens = np.concatenate(parts) / (1.0 if self.column or self.tokenizer else self.characters)
        return np.maximum(np.ceil(tokens), 1).astype(np.int64)


def mean_lengths(
    lengths: Int[np.ndarray, " document"], clusters: Int[np.ndarray, " document"], count: int
) -> Float[np.ndarray, " cluster"]:
    """Mean tokens of a document of each of `count` clusters (1 for an empty one); negative clusters are left out."""
    kept = clusters >= 0
    documents = np.bincount(clusters[kept], minlength=count)
    tokens = np.bincount(clusters[kept], weights=lengths[kept], minlength=count)
    return np.where(documents > 0, tokens / np.maximum(documents, 1), 1.0)


def _numbers(batch: pa.RecordBatch, name: str) -> Float[np.ndarray, " row"]:
    import pyarrow as pa

    if name not in batch.schema.names:
        raise UserError(
            f"the corpus has no column '{name}' with tokens; give one that `interp sample prepare` carried along"
        )
    column = batch.column(name)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)) or column.null_count:
        raise UserError(f"column '{name}' holds {column.type} with {column.null_count} gaps; accepted are numbers of tokens")
    found = column.to_numpy(zero_copy_only=False).astype(float)
    wrong = found[~(np.isfinite(found) & (found >= 0))]
    if len(wrong):
        raise UserError(f"column '{name}' holds {wrong[0]:g}; accepted are numbers of tokens, 0 or more")
    return found


def _encoded(tokenizer: Any, batch: pa.RecordBatch) -> Float[np.ndarray, " row"]:
    found = tokenizer.encode_batch(batch.column("text").to_pylist(), add_special_tokens=False)
    return np.array([len(one.ids) for one in found], float)


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"{file} cannot be read as a tokenizer ({error}); accepted is a tokenizer.json") from None
