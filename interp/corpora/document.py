"""A piece of text with its origin, and the split into training and held-out text.

Whole sources are held out (a library module, a package, a help topic), chosen by a hash of their name: no sentence of a
held-out source is trained on, and the choice does not move when other sources come or go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Split = Literal["train", "held-out"]
_HELD_OUT_EVERY = 12


class Document(NamedTuple):
    """One text."""

    source: str
    """What it is part of; all documents of a source fall into the same split."""
    name: str
    """Unique in its corpus."""
    text: str


def rank(name: str) -> int:
    """A number that depends on nothing but the name: sorting by it mixes, in the same way on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def split_of(source: str) -> Split:
    """Which split a source belongs to; about one in twelve is held out."""
    return "held-out" if rank(source) % _HELD_OUT_EVERY == 0 else "train"


def part(documents: Iterable[Document], split: Split) -> Iterator[Document]:
    """The documents of a split."""
    return (document for document in documents if split_of(document.source) == split)
