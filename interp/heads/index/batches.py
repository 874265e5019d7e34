"""Documents side by side: padded token ids, and for each position what the context up to there holds.

Padding stands at the right, where causal attention never looks. The context of the relation index is the *distinct*
tokens up to a position, each at its first occurrence (step 3 of the definition, arXiv 2402.13055), so that the context
at j is the first `seen[j]` entries of the document's vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.heads.relations.aligned import AlignedDocument

TOKENS = 1024
"""Positions of a batch, padding included."""


class Batch(NamedTuple):
    """Documents that pass a model together; entries of padding are without meaning."""

    documents: tuple[AlignedDocument, ...]
    tokens: Int[Tensor, "batch pos"]
    """Right-padded with zeros, on the model's device."""
    lengths: Int[np.ndarray, " batch"]
    vocabularies: tuple[Int[Tensor, " distinct"], ...]
    """Each document's distinct tokens in the order of their first occurrence."""
    place: Int[np.ndarray, "batch pos"]
    """Where each position's token stands in the vocabulary."""
    first: Int[np.ndarray, "batch pos"]
    """Position at which that token occurred first."""
    seen: Int[np.ndarray, "batch pos"]
    """Number of distinct tokens up to and with each position."""


def make_batch(documents: Sequence[AlignedDocument], device: torch.device) -> Batch:
    """Pad documents to the longest and take note of their contexts."""
    lengths = np.array([len(document.tokens) for document in documents])
    tokens, place, first, seen = np.zeros((4, len(documents), lengths.max()), dtype=np.int64)
    vocabularies = []
    for row, (document, length) in enumerate(zip(documents, lengths, strict=True)):
        tokens[row, :length] = document.tokens.numpy()
        distinct, start, which = np.unique(tokens[row, :length], return_index=True, return_inverse=True)
        order = np.argsort(start)
        place[row, :length] = np.argsort(order)[which]
        first[row, :length] = start[which]
        seen[row, :length] = np.maximum.accumulate(place[row, :length]) + 1
        vocabularies.append(torch.as_tensor(distinct[order], device=device))
    padded = torch.as_tensor(tokens, device=device)
    return Batch(tuple(documents), padded, lengths, tuple(vocabularies), place, first, seen)


def by_length(documents: Sequence[AlignedDocument], *, tokens: int = TOKENS) -> list[list[AlignedDocument]]:
    """All documents, those of similar length together, `tokens` positions a group or one document."""
    groups: list[list[AlignedDocument]] = []
    for document in sorted(documents, key=lambda document: len(document.tokens)):
        if not groups or (len(groups[-1]) + 1) * len(document.tokens) > tokens:
            groups.append([])
        groups[-1].append(document)
    return groups
