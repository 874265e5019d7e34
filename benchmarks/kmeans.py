"""A step of spherical k-means against the matrix product it cannot do without, and against scikit-learn and faiss.

The first step knows nothing: all similarities, the nearest centroid of every vector, the new centroids. Its floor is one
torch.mm of the vectors and the centroids, the faster of one call with a ready output and calls of 8,192 rows. Later steps
compare with the centroids that moved, so the mean of a fit's first steps stands beside the first one. The peers'
iteration is the difference of two fits from the same initial centroids, divided by that of the iterations they report;
they cluster the same vectors by Euclidean distance (scikit-learn) or by cosine (faiss), and all iterations cost them alike.

Memory is the largest resident size of this process after clustering few and then many vectors that are made as they are
read and kept nowhere, initial centroids and the final assignment included.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.corpora.store import PART_ROWS
from training.sampling.assign import assigned_blocks
from training.sampling.kmeans import KMeansOptions, Lloyd, initial_centroids, spherical_kmeans
from training.sampling.nearest import search_on
from training.sampling.vectors import Matrix, Numbers

SEED = 1
FEW, MORE = 1, 4
"""Iterations of the peers' two fits."""
STEPS = 20
"""Our steps that the mean is of, fewer if nothing moves any more."""
_TILE = 8192


class Size(NamedTuple):
    """How much is measured."""

    rows: int
    width: int
    clusters: int
    few_streamed: int
    many_streamed: int
    repeats: int


class Synthetic:
    """Unit vectors around random centres of Zipf-like weights, made as they are read: a part depends on its number only."""

    def __init__(self, rows: int, width: int, centres: int) -> None:
        generator = torch.Generator().manual_seed(SEED)
        self._centres = normalize(torch.randn(centres, width, generator=generator), dim=1)
        self._weights = 1 / torch.arange(1, centres + 1)
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def blocks(self, rows: int) -> Iterator[Float[Tensor, "row d"]]:
        """All rows in order, a part at a time: in small pieces, as a run folder's parts are. `rows` holds one at least."""
        return map(self._part, range(-(-self._rows // PART_ROWS)))

    def rows(self, numbers: Numbers) -> Float[Tensor, "row d"]:
        """Rows by number, each part made once."""
        wanted = torch.as_tensor(numbers)
        found = torch.empty(len(wanted), self._centres.shape[1])
        for part in (wanted // PART_ROWS).unique().tolist():
            inside = wanted // PART_ROWS == part
            found[inside] = self._part(part)[wanted[inside] % PART_ROWS]
        return found

    def _part(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + number)
        count = min(PART_ROWS, self._rows - number * PART_ROWS)
        centre = self._centres[torch.multinomial(self._weights, count, replacement=True, generator=generator)]
        noise = torch.randn(centre.shape, generator=generator) * 1.5 / centre.shape[1] ** 0.5
        return normalize(centre + noise, dim=1)


def peak_memory() -> float:
    """Largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e9 if sys.platform == "darwin" else 1e6)


def streamed(rows: int, size: Size) -> float:
    """Cluster and assign that many vectors without holding them; the peak of memory so far."""
    vectors = Synthetic(rows, size.width, size.clusters)
    options = KMeansOptions(size.clusters, iterations=2, seed=SEED)
    found = spherical_kmeans(vectors, options, memory=0, progress=False)
    assigned = sum(len(block.cluster) for block in assigned_blocks(vectors, found.centroids))
    assert assigned == rows
    return peak_memory()


def products(vectors: Tensor, centroids: Tensor) -> list[Callable[[], None]]:
    """The matrix product in one call, and in calls of 8,192 rows."""
    whole, piece = torch.empty(len(vectors), len(centroids)), torch.empty(_TILE, len(centroids))

    def at_once() -> None:
        torch.mm(vectors, centroids.T, out=whole)

    def in_pieces() -> None:
        for rows in vectors.split(_TILE):
            torch.mm(rows, centroids.T, out=piece[: len(rows)])

    return [at_once, in_pieces]


class Fits:
    """A peer's two fits; `iterations` holds how many each took when it was last called."""

    def __init__(self, fit: Callable[[int], int]) -> None:
        self._fit = fit
        self.iterations = {FEW: FEW, MORE: MORE}

    def works(self) -> list[Callable[[], None]]:
        """The short fit and the long one."""
        return [lambda: self._run(FEW), lambda: self._run(MORE)]

    def iteration_seconds(self, short: float, long: float) -> float:
        """Seconds of one iteration from those of both fits. Raises ValueError if the long one took no more iterations."""
        more = self.iterations[MORE] - self.iterations[FEW]
        if more < 1:
            raise ValueError(f"the long fit took {self.iterations[MORE]} iterations; it must take more than {FEW}")
        return (long - short) / more

    def _run(self, iterations: int) -> None:
        self.iterations[iterations] = self._fit(iterations)


def scikit_learn(vectors: np.ndarray, centroids: np.ndarray) -> Fits:
    """`KMeans` with Lloyd's algorithm."""
    from sklearn.cluster import KMeans

    def fit(iterations: int) -> int:
        model = KMeans(len(centroids), init=centroids, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd")
        return int(model.fit(vectors).n_iter_)

    return Fits(fit)


def faiss(vectors: np.ndarray, centroids: np.ndarray) -> Fits:
    """`faiss.Kmeans` on all vectors."""
    import faiss as library

    def fit(iterations: int) -> int:
        most = len(vectors) // len(centroids) + 1
        limits = {"min_points_per_centroid": 1, "max_points_per_centroid": most}
        library.Kmeans(vectors.shape[1], len(centroids), niter=iterations, spherical=True, **limits).train(
            vectors, init_centroids=centroids
        )
        return iterations

    return Fits(fit)


def measure(size: Size) -> dict[str, Any]:
    """All figures; memory first, as a peak never falls."""
    few, many = streamed(size.few_streamed, size), streamed(size.many_streamed, size)
    source = Synthetic(size.rows, size.width, size.clusters)
    matrix = torch.cat(list(source.blocks(PART_ROWS)))
    centroids = initial_centroids(Matrix(matrix), size.clusters, SEED)
    peers = [peer(matrix.numpy(), centroids.numpy()) for peer in (scikit_learn, faiss)]
    with search_on(matrix.device) as search:

        def fit(steps: int) -> int:
            lloyd, taken = Lloyd(Matrix(matrix), centroids, search), 0
            while taken < steps and not lloyd.settled:
                lloyd.step()
                taken += 1
            return taken

        steps = fit(STEPS)

        taken = seconds_in_turn(
            lambda: fit(1),
            lambda: fit(STEPS),
            *products(matrix, centroids),
            *(work for peer in peers for work in peer.works()),
            repeats=size.repeats,
        )
    first, mean, floor = taken[0], taken[1] / steps, min(taken[2:4])
    sklearn_seconds, faiss_seconds = peers[0].iteration_seconds(*taken[4:6]), peers[1].iteration_seconds(*taken[6:8])
    return {
        "vectors": size.rows,
        "dimensions": size.width,
        "clusters": size.clusters,
        "first_step_seconds": first,
        "steps": steps,
        "mean_step_seconds": mean,
        "matrix_product_seconds": floor,
        "matrix_product_gflops": 2 * matrix.numel() * size.clusters / floor / 1e9,
        "first_step_share_of_matrix_product": floor / first,
        "scikit_learn_iteration_seconds": sklearn_seconds,
        "times_scikit_learn": sklearn_seconds / mean,
        "first_step_times_scikit_learn": sklearn_seconds / first,
        "faiss_iteration_seconds": faiss_seconds,
        "times_faiss": faiss_seconds / mean,
        "few_streamed": size.few_streamed,
        "many_streamed": size.many_streamed,
        "peak_memory_of_few_gb": few,
        "peak_memory_of_many_gb": many,
        "memory_of_few_over_many": few / many,
        "growth_of_peak_memory_in_bytes_a_row": (many - few) * 1e9 / (size.many_streamed - size.few_streamed),
        "target": {"first_step_share_of_matrix_product": 0.85, "times_scikit_learn": 1.2, "memory_of_few_over_many": 0.95},
        "note": (
            "Spherical k-means on vectors in memory, float32. The first step's floor is the same matrix product alone, by "
            f"torch.mm; times the peers is their iteration over the mean of our first {steps} steps, of which the later "
            "ones leave out centroids that stand still. Streamed vectors are made as they are read and never held; all of "
            "them would take "
            f"{size.many_streamed * size.width * 4 / 1e9:.2g} GB."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    size = Size(20_000, 64, 200, 70_000, 200_000, 2) if given.quick else Size(200_000, 384, 2000, 262_144, 1_000_000, 5)
    publish("kmeans", measure(size), quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
