"""Documents that show what a cluster is: the most typical, those at its border, and some at random."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from training.sampling.assign import Assignment


class Examples(NamedTuple):
    """Numbers of one cluster's documents, at most as many of each kind as were asked for."""

    medoids: list[int]
    """Nearest to the centroid, falling."""
    borderline: list[int]
    """Almost as near to another centroid, the least margin first. Empty where there is one cluster only."""
    random: list[int]
    """Drawn without replacement."""


def examples(
    assignment: Assignment, clusters: int, *, kept: Bool[np.ndarray, " document"], count: int = 5, seed: int = 0
) -> list[Examples]:
    """Examples of every cluster from the documents that are `kept` (no duplicates); equal documents in their order."""
    documents = np.flatnonzero(kept)
    cluster = assignment.cluster[documents]
    shuffled = np.random.default_rng(seed).random(len(documents))
    has_margin = np.isfinite(assignment.margin[documents])

    def firsts(key: np.ndarray, among: np.ndarray) -> list[list[int]]:
        order = np.lexsort((key, cluster))
        order = order[among[order]]
        starts = np.searchsorted(cluster[order], np.arange(clusters + 1))
        return [documents[order[a : min(a + count, b)]].tolist() for a, b in pairwise(starts)]

    everyone = np.ones(len(documents), bool)
    medoids = firsts(-assignment.similarity[documents], everyone)
    borderline = firsts(assignment.margin[documents], has_margin)
    return [Examples(*kinds) for kinds in zip(medoids, borderline, firsts(shuffled, everyone), strict=True)]


def sampled(
    cluster: Int[np.ndarray, " document"], *, kept: Bool[np.ndarray, " document"], most: int, seed: int = 0
) -> Int[np.ndarray, " chosen"]:
    """Numbers of at most `most` random kept documents of every cluster, rising: enough to describe it by."""
    documents = np.flatnonzero(kept)
    order = np.lexsort((np.random.default_rng(seed).random(len(documents)), cluster[documents]))
    ordered = cluster[documents[order]]
    place = np.arange(len(ordered)) - np.searchsorted(ordered, ordered)
    return np.sort(documents[order[place < most]])
