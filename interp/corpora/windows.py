"""Token windows: documents cut into pieces of one length, the form in which a model reads a corpus.

A window lies within one document and begins where the one before it ended, so its first token is mid-text as often as
not. What is left at a document's end is dropped. At most `per_document` windows of a document are taken, so that no
long one dominates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from interp.corpora.document import Document, Split, part
from interp.corpora.files import file_documents
from interp.corpora.installed import installed_documents

DEFAULT = "default"
"""Name of the corpus of installed text."""


def corpus(text: str, split: Split) -> Iterator[Document]:
    """The documents of `default`, or of a file, that belong to a split. Raises UserError for a file that is no text."""
    return installed_documents(split) if text == DEFAULT else part(file_documents(Path(text)), split)


def windows(
    documents: Iterable[Document],
    encode: Callable[[str], Sequence[int]],
    *,
    length: int,
    count: int,
    per_document: int = 8,
) -> Int[Tensor, "window pos"]:
    """The first `count` windows of `length` tokens, fewer if the documents end before."""
    found = list(islice(_cut(documents, encode, length, per_document), count))
    return torch.tensor(found, dtype=torch.int64).view(-1, length)


def _cut(
    documents: Iterable[Document], encode: Callable[[str], Sequence[int]], length: int, per_document: int
) -> Iterator[Sequence[int]]:
    for document in documents:
        tokens = encode(document.text)
        for start in range(0, min(len(tokens) // length, per_document) * length, length):
            yield tokens[start : start + length]
