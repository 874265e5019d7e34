"""What a cluster is about: its terms by class-based TF-IDF (Grootendorst 2022, arXiv 2203.05794; as in BERTopic).

All texts of a cluster are one document. Term t of cluster c weighs tf(t, c) log(1 + A / f(t)): its share of the cluster's
terms, the mean number A of terms a cluster, and its count f(t) over all clusters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Int
    from scipy.sparse import csr_array

MOST = 200
"""Documents a cluster that are enough for its terms; `training.sampling.examples.sampled` chooses them."""
_CHARACTERS = 20_000
"""Read of each text."""
_VOCABULARY = 50_000
"""Terms that are counted, the commonest ones."""
_TERM = r"(?u)\b[^\W\d_]\w+\b"
"""Two letters or more, the first one no digit."""


def cluster_terms(
    texts: Iterable[str], labels: Sequence[int] | Int[np.ndarray, " text"], clusters: int, *, top: int = 10
) -> list[list[str]]:
    """The terms of each cluster that weigh most, falling; fewer than `top` or none where a cluster has no more.

    `labels` are the texts' clusters, in the same order; English stop words are left out.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    labels = np.asarray(labels)
    vectorizer = CountVectorizer(stop_words="english", token_pattern=_TERM, max_features=_VOCABULARY, dtype=np.int64)
    try:
        counts = vectorizer.fit_transform(_starts(texts))
    except ValueError:  # no term in any text
        return [[] for _ in range(clusters)]
    member = csr_array((np.ones(len(labels), np.int64), (labels, np.arange(len(labels)))), (clusters, len(labels)))
    return _heaviest(csr_array(member @ counts), vectorizer.get_feature_names_out(), top)


def _starts(texts: Iterable[str]) -> Iterator[str]:
    return (text[:_CHARACTERS] for text in texts)


def _heaviest(counts: csr_array, names: np.ndarray, top: int) -> list[list[str]]:
    rarity = np.log1p(counts.sum() / counts.shape[0] / counts.sum(axis=0))
    found = []
    for first, last in pairwise(counts.indptr):
        terms = counts.indices[first:last]
        weights = counts.data[first:last] * rarity[terms]  # a cluster's total is a factor of all its weights
        order = np.lexsort((names[terms], -weights))[:top]
        found.append(names[terms[order]].tolist())
    return found
