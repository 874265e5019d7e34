"""Matched random tails: the words that could stand in a triplet's tail if the relation did not matter.

The paper's control (every tail replaced by the tenth token) matches neither kind nor distance. Here a triplet gets up to
`count` candidate tokens of the same document. For each pair of a head mention s and a tail mention o a candidate stands
in with its occurrence on the same side of s whose distance from s is most similar to that of o, measured as the ratio of
the two. Candidates that can stand in for most pairs come first, the most similar ones before others.

Words that are an end of some triplet of the document are taken if there are any, since a head may prefer entities, or
verbs and nouns, without knowing a relation; else any other words. Never taken: tokens of the triplet's own head and
tail, and tokens that stand in the same relation to the same head. The choice involves no chance: the statistics say
which of {tail, candidates} is the tail at random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

CANDIDATES = 8
"""Candidates a triplet, where the document has as many."""
Pair = tuple[int, int]


class Role(NamedTuple):
    """A triplet in one direction: the pairs of attended and recalled positions."""

    relation: str
    pairs: tuple[Pair, ...]


def related(tokens: Int[np.ndarray, " pos"], roles: Iterable[Role]) -> dict[tuple[str, int], set[int]]:
    """For each relation and token of a head, the tokens of all its tails in the document."""
    found: dict[tuple[str, int], set[int]] = {}
    for role in roles:
        for s, o in role.pairs:
            found.setdefault((role.relation, int(tokens[s])), set()).add(int(tokens[o]))
    return found


def matched_candidates(
    tokens: Int[np.ndarray, " pos"],
    role: Role,
    mentions: Sequence[int],
    tails: dict[tuple[str, int], set[int]],
    count: int = CANDIDATES,
) -> list[tuple[Pair, ...]]:
    """For each candidate its stand-ins for the triplet's pairs, (s, o') each.

    Args:
        tokens: of the document.
        role: the triplet in the direction that is looked at.
        mentions: positions that are an end of some triplet of the document.
        tails: of `related`.
        count: at most so many candidates.
    """
    refused = {int(tokens[s]) for s, _ in role.pairs}
    refused |= {tail for head in refused for tail in tails[role.relation, head]}
    for pool in (mentions, range(len(tokens))):
        occurrences: dict[int, list[int]] = {}
        for position in pool:
            if tokens[position] not in refused:
                occurrences.setdefault(int(tokens[position]), []).append(position)
        ranked = sorted((rank, pairs) for rank, pairs in (_stand_in(role.pairs, o) for o in occurrences.values()) if pairs)
        if ranked:
            return [pairs for _, pairs in ranked[:count]]
    return []


def _stand_in(pairs: Sequence[Pair], occurrences: Sequence[int]) -> tuple[tuple[int, float], tuple[Pair, ...]]:
    """How well a candidate at these positions fits (less is better), and its pairs."""
    chosen, mismatch = [], 0.0
    for s, o in pairs:
        same_side = [position for position in occurrences if position != s and (position < s) == (o < s)]
        if same_side:
            ratios = [abs(math.log(abs(position - s) / abs(o - s))) for position in same_side]
            best = min(range(len(ratios)), key=ratios.__getitem__)
            chosen.append((s, same_side[best]))
            mismatch += ratios[best]
    return (-len(chosen), mismatch / max(len(chosen), 1)), tuple(chosen)
