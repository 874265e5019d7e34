"""A document as a model reads it: token ids, and the relation triplets as pairs of positions.

Alignment makes these from texts with spans; the relation index and all that follows it read nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Int
from torch import Tensor


class AlignedTriplet(NamedTuple):
    """One triplet (head, relation, tail) of a document (arXiv 2402.13055, section 3)."""

    relation: str
    number: int
    """Its place among all triplets of its document, those that could not be aligned included."""
    pairs: tuple[tuple[int, int], ...]
    """Every (position of a mention of the head, position of a mention of the tail), both different; averaged within the
    triplet."""


class AlignedDocument(NamedTuple):
    """One document, ready for a model."""

    name: str
    """Unique in its source."""
    tokens: Int[Tensor, " pos"]
    """Token ids, with a beginning-of-sequence token only where alignment was asked for one; positions count it."""
    triplets: tuple[AlignedTriplet, ...]
