"""Matched random tails: who may stand in, who comes first, and what is never taken."""

from __future__ import annotations

import numpy as np
import torch

from interp.heads.index.batches import make_batch
from interp.heads.index.candidates import Role, matched_candidates, related
from interp.heads.index.recall import lay_out
from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet

TOKENS = np.array([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])


def candidates(
    tokens: np.ndarray, role: Role, mentions: list[int], *others: Role, count: int = 8
) -> list[tuple[tuple[int, int], ...]]:
    return matched_candidates(tokens, role, mentions, related(tokens, [role, *others]), count)


def test_same_side_and_nearest_in_ratio_of_distances() -> None:
    role = Role("r", ((3, 6),))
    found = candidates(TOKENS, role, [0, 1, 3, 4, 5, 6, 8, 9])
    # distances 5, 2, 6, 1 against 3: ratios 1.67, 1.5, 2, 3
    assert [pairs for pairs in found] == [((3, 5),), ((3, 8),), ((3, 9),), ((3, 4),)]
    assert candidates(TOKENS, role, [0, 1, 3, 4, 5, 6, 8, 9], count=2) == found[:2]
    assert candidates(TOKENS, Role("r", ((6, 3),)), [3, 4, 6, 8]) == [((6, 4),)]


def test_words_that_are_no_mention_stand_in_only_where_no_mention_can() -> None:
    role = Role("r", ((3, 6),))
    assert candidates(TOKENS, role, [3, 6, 9]) == [((3, 9),)]
    assert candidates(TOKENS, role, [3, 6]) == [((3, 7),), ((3, 5),), ((3, 8),), ((3, 9),), ((3, 4),)]
    assert candidates(np.array([1, 2, 1, 2]), Role("r", ((0, 1),)), [0, 1]) == []


def test_heads_and_related_tails_are_never_taken() -> None:
    tokens = np.array([1, 2, 3, 4, 1, 3, 6])
    role, same_relation, other_relation = Role("r", ((0, 1),)), Role("r", ((4, 6),)), Role("q", ((0, 2),))
    found = candidates(tokens, role, [0, 1, 2, 3, 4, 6], same_relation, other_relation)
    taken = {int(tokens[o]) for pairs in found for _, o in pairs}
    assert taken == {3, 4}  # 6 is a tail of the same head word in the same relation, 3 only in another


def test_a_candidate_is_one_token_at_its_best_place_for_every_pair() -> None:
    tokens = np.array([7, 1, 8, 2, 7, 9, 8, 7])
    role = Role("r", ((1, 3), (5, 3)))
    found = candidates(tokens, role, [0, 1, 2, 3, 4, 5, 6, 7])
    assert found[0] == ((1, 2), (5, 2)) or found[0] == ((1, 4), (5, 4))
    for pairs in found:
        assert len({int(tokens[o]) for _, o in pairs}) == 1
        assert all((o < s) == (s > 3) for s, o in pairs)


def test_those_for_most_pairs_come_first() -> None:
    tokens = np.array([1, 2, 3, 4, 5, 2, 6])
    role = Role("r", ((1, 3), (5, 3)))  # 3 after the first head mention and before the second
    found = candidates(tokens, role, [0, 1, 3, 4, 5, 6])
    assert [len(pairs) for pairs in found] == sorted((len(pairs) for pairs in found), reverse=True)
    assert found[0] == ((1, 4), (5, 4)) and ((1, 6),) in found


def test_entries_lie_at_the_attended_position() -> None:
    triplet = AlignedTriplet("r", 7, ((2, 5), (6, 1)))
    document = AlignedDocument("d", torch.tensor([5, 6, 7, 5, 8, 9, 7, 4]), (triplet,))
    batch = make_batch([document], torch.device("cpu"))
    recall = lay_out(batch, "resid", 0)
    entries = {
        (s, int(recall.position[entry]), int(recall.ready[entry]), *recall.groups[recall.group[entry]][1:])
        for s in range(8)
        for entry in range(recall.start[0, s], recall.start[0, s + 1])
    }
    assert entries == {
        (2, 5, 5, 7, "r", "forward", "head first"), (6, 1, 6, 7, "r", "forward", "tail first"),
        (5, 2, 5, 7, "r", "reverse", "tail first"), (1, 6, 6, 7, "r", "reverse", "head first"),
    }  # fmt: skip
    assert recall.triplet.tolist() == [0, 0, 1, 1] and recall.earliest[0, [2, 6, 5, 1]].tolist() == [5, 6, 5, 6]
    embedded = lay_out(batch, "embed", 0)
    assert embedded.start[0, 3] - embedded.start[0, 2] == 2  # tokens at 2 and 6 are the same
