"""What is to be recalled when a head attends somewhere: triplets of a batch, laid out for the counting kernel.

A *slot* is one token that may be recalled: slot 0 a triplet's tail, the others its matched candidates
(`interp.heads.index.candidates`). A *group* is a triplet in one direction and order; its events are summed. For every
position s there is a list of entries (group, slot, the first position at which both ends have been read, place of the
tail's token in the document's vocabulary).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from interp.heads.index.batches import Batch
from interp.heads.index.candidates import Pair, Role, matched_candidates, related
from interp.heads.index.options import Source
from interp.heads.relations.aligned import AlignedDocument

Direction = Literal["forward", "reverse"]
Order = Literal["tail first", "head first"]

NEVER = np.iinfo(np.int64).max


class Group(NamedTuple):
    """One triplet as it is counted."""

    document: str
    triplet: int
    relation: str
    direction: Direction
    """`reverse` attends to the tail and recalls the head."""
    order: Order
    """Which end stands earlier in the text: with "tail first" also plain copying of what came before can raise it. In
    the reverse direction the ends have changed their roles."""


class Recall(NamedTuple):
    """All entries of a batch, sorted by document and attended position."""

    groups: tuple[Group, ...]
    triplet: Int[np.ndarray, " group"]
    """The same number for both orders of a triplet in one direction."""
    slots: int
    start: Int[np.ndarray, "batch pos_plus_one"]
    """Entries of position s are start[b, s] to start[b, s + 1], excluded."""
    group: Int[np.ndarray, " entry"]
    slot: Int[np.ndarray, " entry"]
    ready: Int[np.ndarray, " entry"]
    """First position j that is not before s or the recalled position."""
    place: Int[np.ndarray, " entry"]
    position: Int[np.ndarray, " entry"]
    """Where the recalled token stands."""
    earliest: Int[np.ndarray, "batch pos"]
    """The least `ready` among a position's entries, NEVER where there is none."""


class _Entry(NamedTuple):
    row: int
    attended: int
    group: int
    slot: int
    ready: int
    place: int
    position: int


def lay_out(batch: Batch, source: Source, candidates: int) -> Recall:
    """Entries for both directions of every triplet.

    With `source="embed"` attention cannot tell the occurrences of a token apart, so entries stand at its first one.
    """
    groups: dict[Group, int] = {}
    entries: list[_Entry] = []
    for number, document in enumerate(batch.documents):
        for one, which, (s, o) in _recalled(document, candidates):
            at = int(batch.first[number, s]) if source == "embed" else s
            target = groups.setdefault(one, len(groups))
            entries.append(_Entry(number, at, target, which, max(s, o), int(batch.place[number, o]), o))
    entries.sort()
    columns = np.array(entries, dtype=np.int64).reshape(-1, len(_Entry._fields)).T
    row, attended, group, slot, ready, place, position = (np.ascontiguousarray(column) for column in columns)
    size, width = batch.tokens.shape
    start = np.searchsorted(row * (width + 1) + attended, np.arange(size * (width + 1))).reshape(size, width + 1)
    earliest = np.full((size, width), NEVER)
    np.minimum.at(earliest, (row, attended), ready)
    numbers: dict[tuple[str, int, Direction], int] = {}
    triplet = [numbers.setdefault((one.document, one.triplet, one.direction), len(numbers)) for one in groups]
    return Recall(
        tuple(groups), np.array(triplet, dtype=np.int64), candidates + 1,
        start, group, slot, ready, place, position, earliest,
    )  # fmt: skip


def _recalled(document: AlignedDocument, candidates: int) -> Iterator[tuple[Group, int, Pair]]:
    """Every pair of positions with the group and slot that it counts for."""
    tokens = document.tokens.numpy()
    mentions = sorted({end for triplet in document.triplets for pair in triplet.pairs for end in pair})
    directions: tuple[Direction, ...] = ("forward", "reverse")
    for direction in directions:
        roles = [
            Role(triplet.relation, tuple(pair if direction == "forward" else pair[::-1] for pair in triplet.pairs))
            for triplet in document.triplets
        ]
        tails = related(tokens, roles)
        for triplet, role in zip(document.triplets, roles, strict=True):
            stand_ins = matched_candidates(tokens, role, mentions, tails, candidates)
            for slot, pairs in enumerate([role.pairs, *stand_ins]):
                for s, o in pairs:
                    order: Order = "tail first" if o < s else "head first"
                    yield Group(document.name, triplet.number, role.relation, direction, order), slot, (s, o)
