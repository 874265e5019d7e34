"""Spherical k-means as in the code released with ClusterClip (arXiv 2402.14526, step 2; not in the paper's text).

Distance is 1 - x.c. Initial centroids are random documents; a Lloyd step assigns every document to its nearest centroid
and puts each centroid at its members' mean, scaled to unit length; an empty cluster keeps its centroid. It ends when
nothing moves, after 50 steps without a lower mean distance, or after 300 steps. The centroids of the lowest mean distance
are returned: the released code means to, but overwrites them.

Ours: initial documents differ from each other, so identical texts do not start clusters that stay empty; sums are in
float64; clusters are numbered by falling size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.runs.errors import UserError
from interp.runs.estimate import Estimate
from interp.runs.progress import Progress
from training.sampling.nearest import Search, Standing, search_on
from training.sampling.vectors import MEMORY, Matrix, Subset, Vectors, check_length, in_memory, slabs

Engine = Literal["torch", "faiss"]
_SAME = 1 - 1e-6
"""Similarity above which two vectors are one: the same text embedded twice differs by rounding."""
_COMPARED = 512
"""Rows compared at once with all those before them."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class KMeansOptions:
    """Settings of one clustering. All but `engine` are those of the released code."""

    clusters: int = 2000
    iterations: int = 300
    """Most Lloyd steps."""
    patience: int = 50
    """Steps without a lower mean distance before it ends."""
    seed: int = 42
    engine: Engine = "torch"
    """`faiss` reads the same initial centroids, needs the vectors in memory, and splits a large cluster for an empty one."""


class KMeans(NamedTuple):
    """A clustering."""

    centroids: Float[Tensor, "cluster d"]
    """Unit length, by falling size of the clusters."""
    sizes: Int[Tensor, " cluster"]
    """Rows of each cluster, of those that were clustered."""
    inertia: float
    """Mean of 1 - x.c over the rows, each with its nearest centroid."""
    history: list[float]
    """The same at every step."""
    warning: str | None
    """One sentence if there are fewer clusters than asked for."""


def spherical_kmeans(
    vectors: Vectors,
    options: KMeansOptions,
    *,
    kept: Bool[np.ndarray, " row"] | None = None,
    device: torch.device = _CPU,
    memory: float = MEMORY,
    progress: bool = True,
) -> KMeans:
    """Cluster unit vectors, only the rows where `kept` is true if it is given (the documents that are no duplicates).

    Vectors of more than `memory` bytes are read from where they lie at every step. Memory then grows by 16 bytes a row, what
    `Lloyd` knows of each, and with `kept` by 9 more; the choice of first centroids takes 8 more for a moment.
    Raises UserError for fewer than 2 clusters or more than there are vectors, ValueError for a vector that is not of unit
    length. With fewer different vectors than clusters there is one cluster a vector and a warning.
    """
    check_clusters(options.clusters, len(vectors))
    if options.engine not in get_args(Engine):
        raise UserError(f"unknown engine '{options.engine}': accepted are {', '.join(get_args(Engine))}")
    check_length(vectors)
    chosen = in_memory(vectors if kept is None else Subset(vectors, kept), limit=memory)
    start = initial_centroids(chosen, options.clusters, options.seed)
    if options.engine == "faiss":
        found = _faiss(chosen, start, options)
    else:
        found = _lloyd(chosen, start.to(device), options, progress)
    if len(start) == options.clusters:
        return found
    told = f"different vectors among {len(chosen):,} documents: {len(start):,}; as many clusters, not {options.clusters:,}"
    return found._replace(warning=told)


def check_clusters(clusters: int, documents: int) -> None:
    """Raises UserError unless there are 2 clusters or more, and no more than documents."""
    if not 2 <= clusters <= documents:
        raise UserError(
            f"{clusters:,} clusters of {documents:,} documents were asked for; accepted are 2 to as many as documents"
        )


def initial_centroids(vectors: Vectors, clusters: int, seed: int) -> Float[Tensor, "cluster d"]:
    """Random rows that differ from each other: `clusters` of them, or all there are."""
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(seed))
    chosen = vectors.rows(order[:0])
    for candidates in order.split(max(clusters, 8192)):
        both = torch.cat([chosen, vectors.rows(candidates)])
        chosen = both[~_repeats(both)][:clusters]
        if len(chosen) == clusters:
            break
    return chosen


def _repeats(rows: Float[Tensor, "row d"]) -> Bool[Tensor, " row"]:
    """Which rows are the same as one before them. All pairs of 8,192 at once would take more memory than all else here."""
    pieces = [slice(first, first + _COMPARED) for first in range(0, len(rows), _COMPARED)]
    similar = (((rows[piece] @ rows[: piece.stop].T).tril(piece.start - 1) > _SAME).any(1) for piece in pieces)
    return torch.cat(list(similar))


class Lloyd:
    """Lloyd's steps on some vectors. Beside the vectors it keeps 16 bytes a row: where each stood at the last step."""

    def __init__(self, vectors: Vectors, centroids: Float[Tensor, "cluster d"], search: Search) -> None:
        self._vectors, self._search = vectors, search
        self._standing = Standing.unknown(len(vectors), centroids.device)
        self._sums = torch.zeros(centroids.shape, dtype=torch.float64, device=centroids.device)
        self.centroids = centroids
        """Where the next step finds them."""
        self.sizes = torch.zeros(len(centroids), dtype=torch.int64, device=centroids.device)
        """Rows of each cluster at the last step."""
        self._moved: Tensor | None = None

    @property
    def settled(self) -> bool:
        """Whether the last step moved nothing; every further one would be the same."""
        return self._moved is not None and len(self._moved) == 0

    def step(self) -> float:
        """Assign every vector to its nearest centroid, then put each centroid in the direction of its members' mean.

        Returns the mean of 1 - x.c before the centroids move.
        """
        first, similarity = 0, 0.0
        for block in slabs(self._vectors):
            standing = self._standing.part(first, len(block))
            before = standing.label.clone()
            self._search.renew(block, standing, self.centroids, self._moved)
            self._search.move(block, before, standing.label, self._sums, self.sizes)
            first, similarity = first + len(block), similarity + float(standing.similarity.sum(dtype=torch.float64))
        self._sums[self.sizes == 0] = 0  # not quite, after what came and went
        length = torch.linalg.vector_norm(self._sums, dim=1, keepdim=True)
        centroids = torch.where(length > 0, self._sums / length, self.centroids.double()).float()
        self._moved = (centroids != self.centroids).any(1).nonzero()[:, 0]
        self.centroids = centroids
        return 1 - similarity / first


def _lloyd(vectors: Vectors, start: Tensor, options: KMeansOptions, progress: bool) -> KMeans:
    history: list[float] = []
    estimate = Estimate(options.iterations)
    bar = Progress(options.iterations, unit="steps", label="k-means, at most", enabled=progress)
    with search_on(start.device) as search, bar:
        lloyd = Lloyd(vectors, start, search)
        for number in range(options.iterations):
            centroids, distance = lloyd.centroids, lloyd.step()
            if not history or distance < min(history):
                best, sizes, since = centroids, lloyd.sizes.clone(), number
            history.append(distance)
            bar.advance(1, f"mean distance {distance:.5f}")
            if sentence := estimate.after_step():
                bar.say(sentence)
            if lloyd.settled or number - since >= options.patience:
                break
    return _numbered(best, sizes, history)


def _numbered(centroids: Tensor, sizes: Tensor, history: list[float]) -> KMeans:
    order = sizes.argsort(descending=True, stable=True)
    return KMeans(centroids[order].cpu(), sizes[order].cpu(), min(history), history, None)


def _faiss(vectors: Vectors, centroids: Tensor, options: KMeansOptions) -> KMeans:
    try:
        import faiss
    except ImportError:
        raise UserError("engine 'faiss' needs a package that is not installed: pip install faiss-cpu") from None
    if not isinstance(vectors, Matrix):
        raise UserError(f"engine 'faiss' needs all {len(vectors):,} vectors in memory at once; engine 'torch' does not")
    most = len(vectors) // len(centroids) + 1  # else it trains on a sample of 256 vectors a cluster
    trained = faiss.Kmeans(
        centroids.shape[1], len(centroids), niter=options.iterations, spherical=True, seed=options.seed,
        min_points_per_centroid=1, max_points_per_centroid=most,
    )  # fmt: skip
    trained.train(vectors.matrix.numpy(), init_centroids=centroids.numpy())
    placed = torch.from_numpy(trained.centroids)
    with search_on(_CPU) as search:
        lloyd = Lloyd(vectors, placed, search)
        distance = lloyd.step()
    return _numbered(placed, lloyd.sizes, [distance])
