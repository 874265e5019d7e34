"""Help with choosing the number of clusters: a few of them tried, each described by figures that pull different ways.

Inertia falls with every cluster, the silhouette is best where clusters stand apart, and tiny clusters are those whose
documents a balanced sampler repeats most. The silhouette (Rousseeuw 1987) of cosine distances is computed exactly for a
sample of documents against the whole corpus: the mean of 1 - x.y over a cluster's y is 1 - x.m with m the members' mean,
so no pair of documents is ever compared.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from training.sampling.balance import balance
from training.sampling.kmeans import KMeansOptions, check_clusters, spherical_kmeans
from training.sampling.nearest import search_on
from training.sampling.vectors import Vectors, in_memory, slabs

if TYPE_CHECKING:
    import pandas as pd

TINY = 10
"""Documents below which a cluster counts as tiny."""
SAMPLE = 2_000
"""Documents whose silhouette is measured."""


def compare_k(
    vectors: Vectors, candidates: Sequence[int], options: KMeansOptions, *, sample: int = SAMPLE, progress: bool = True
) -> pd.DataFrame:
    """Cluster with each number of clusters, all else as in `options`.

    Columns: clusters, inertia, silhouette (mean over `sample` random documents; -1 to 1), tiny (share of clusters with
    fewer than 10 documents, empty ones included), empty (clusters), largest (share of documents), effective (exp of the
    sizes' entropy), steps, seconds. Raises UserError for a number that k-means refuses.
    """
    import pandas as pd

    for clusters in candidates:
        check_clusters(clusters, len(vectors))
    vectors = in_memory(vectors)
    rows = [_described(vectors, replace(options, clusters=clusters), sample, progress) for clusters in candidates]
    return pd.DataFrame(rows)


def _described(vectors: Vectors, options: KMeansOptions, sample: int, progress: bool) -> dict[str, float]:
    began = time.perf_counter()
    found = spherical_kmeans(vectors, options, progress=progress)
    seconds = time.perf_counter() - began
    shape = balance(found.sizes.numpy())
    return {
        "clusters": len(found.centroids),
        "inertia": found.inertia,
        "silhouette": mean_silhouette(vectors, found.centroids, sample=sample, seed=options.seed),
        "tiny": float((found.sizes < TINY).double().mean()),
        "empty": shape.empty,
        "largest": shape.largest,
        "effective": shape.effective,
        "steps": len(found.history),
        "seconds": round(seconds, 3),
    }


def mean_silhouette(
    vectors: Vectors, centroids: Float[Tensor, "cluster d"], *, sample: int = SAMPLE, seed: int = 0
) -> float:
    """Mean silhouette of `sample` random documents."""
    numbers = np.random.default_rng(seed).permutation(len(vectors))[:sample]
    return float(silhouettes(vectors, centroids, numbers).mean())


def silhouettes(
    vectors: Vectors, centroids: Float[Tensor, "cluster d"], numbers: Int[np.ndarray, " row"]
) -> Float[Tensor, " row"]:
    """Silhouette of these documents among all, each in the cluster of its nearest centroid.

    0 for a document alone in its cluster, and for all where there is one cluster.
    """
    sums = torch.zeros(centroids.shape, dtype=torch.float64)
    sizes = torch.zeros(len(centroids), dtype=torch.int64)
    with search_on(torch.device("cpu")) as search:
        for block in slabs(vectors):
            label = search.nearest(block, centroids).label
            search.move(block, torch.full_like(label, -1), label, sums, sizes)
        rows = vectors.rows(numbers)
        own = search.nearest(rows, centroids).label
    return _silhouettes(rows.double(), own, sums, sizes)


def _silhouettes(rows: Tensor, own: Tensor, sums: Tensor, sizes: Tensor) -> Float[Tensor, " row"]:
    distance = sizes - rows @ sums.T  # summed over each cluster's members; a document's to itself is 0
    inside = distance.gather(1, own[:, None])[:, 0] / (sizes[own] - 1).clamp(min=1)
    others = torch.where(sizes > 0, distance / sizes.clamp(min=1), torch.inf).scatter(1, own[:, None], torch.inf)
    outside = others.amin(1)
    value = (outside - inside) / torch.maximum(outside, inside)
    return torch.where((sizes[own] > 1) & outside.isfinite() & value.isfinite(), value, 0.0)
