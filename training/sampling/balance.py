"""How unevenly documents fall into clusters. Empty clusters are counted and left out of every other figure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int


class Balance(NamedTuple):
    """The shape of a corpus, from its clusters' sizes alone."""

    documents: int
    clusters: int
    empty: int
    gini: float
    """Half the mean difference of two clusters' sizes over their mean: 0 if all are alike, towards 1 if one has all."""
    entropy: float
    """Of a random document's cluster, over the log of the clusters: 1 if all are alike."""
    effective: float
    """exp of that entropy: as many equal clusters would be as hard to guess."""
    largest: float
    """Share of the documents in the largest cluster."""


def balance(sizes: Int[np.ndarray, " cluster"]) -> Balance:
    """Figures of clusters of these sizes; zeros where there is no document at all."""
    full = np.sort(sizes[sizes > 0]).astype(float)
    count, total = len(full), float(full.sum())
    if not count:
        return Balance(0, len(sizes), len(sizes), 0.0, 0.0, 0.0, 0.0)
    shares = full / total
    entropy = float(-(shares * np.log(shares)).sum())
    gini = float(((2 * np.arange(1, count + 1) - count - 1) * shares).sum() / count)
    evenness = float(entropy / np.log(count)) if count > 1 else 1.0
    return Balance(int(total), len(sizes), len(sizes) - count, gini, evenness, float(np.exp(entropy)), float(shares[-1]))


def common_clusters(sizes: Int[np.ndarray, " cluster"], share: float = 0.5) -> int:
    """The fewest clusters that hold this share of the documents, the largest ones; all others are rare."""
    falling = np.sort(sizes)[::-1]
    return int(np.searchsorted(np.cumsum(falling), share * falling.sum() * (1 - 1e-12)) + 1) if falling.sum() else 0
