"""A text with the relations between its words: what every relation source yields and the relation index reads."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """Characters `start` to `end` (excluded) of a text."""

    start: int
    end: int


class Triplet(NamedTuple):
    """A head, a relation, a tail: governor and dependent of a dependency, or two entities of a knowledge graph.

    An entity may be mentioned several times; every pair of a head mention and a tail mention counts, averaged within the
    triplet.
    """

    head: tuple[Span, ...]
    relation: str
    tail: tuple[Span, ...]

    @property
    def reversed(self) -> Triplet:
        """The same relation looked at from the tail (their appendix B)."""
        return Triplet(self.tail, self.relation, self.head)


class RelationDocument(NamedTuple):
    """One text and its triplets. A text is what the model reads, after any preprocessing."""

    name: str
    """Unique in its source."""
    text: str
    triplets: tuple[Triplet, ...]
