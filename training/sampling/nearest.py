"""Which of many unit vectors are nearest to each row, and sums of the rows that share one: the work of a Lloyd step.

A row's similarities to 2,000 centroids are 8 kB, so those of a whole corpus never fit in a cache and a plain matrix
product followed by a maximum waits for memory twice. On CPU every core therefore takes blocks of rows whose similarities
stay in its cache: product and maximum at once, block after block. The blocks are the same on one core and on many, and
every centroid's rows are summed by one core in their order, so results do not depend on the number of cores.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from numba import njit
from torch import Tensor

_CACHED = 1 << 20
"""Similarities a block on CPU, 4 MB."""
_ON_DEVICE = 1 << 28
"""Similarities at once elsewhere, 1 GB."""


class Nearest(NamedTuple):
    """The nearest vector of each row."""

    label: Int[Tensor, " row"]
    similarity: Float[Tensor, " row"]


class TwoNearest(NamedTuple):
    """The nearest vector of each row and the one after it; where there is one vector only, -1 and a margin of NaN."""

    label: Int[Tensor, " row"]
    similarity: Float[Tensor, " row"]
    second: Int[Tensor, " row"]
    margin: Float[Tensor, " row"]
    """Similarity minus that of the second."""


class Search(ABC):
    """Compares rows with `targets` where those lie. A context manager: it may hold threads."""

    @abstractmethod
    def nearest(self, rows: Float[Tensor, "row d"], targets: Float[Tensor, "target d"]) -> Nearest:
        """The target of the largest dot product with each row; the first of equals."""

    @abstractmethod
    def two_nearest(self, rows: Float[Tensor, "row d"], targets: Float[Tensor, "target d"]) -> TwoNearest:
        """The targets of the two largest dot products with each row."""

    @abstractmethod
    def add(
        self,
        rows: Float[Tensor, "row d"],
        label: Int[Tensor, " row"],
        sums: Float[Tensor, "target d"],
        counts: Int[Tensor, " target"],
    ) -> None:
        """Add every row to the float64 `sums` of its target, and one to `counts`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


def search_on(device: torch.device) -> Search:
    """The search for vectors on this device."""
    return _OnCores(torch.get_num_threads()) if device.type == "cpu" else _OnDevice()


class _OnCores(Search):
    """Blocks in threads: the products, maxima and sums all release Python's lock."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self._scratch = threading.local()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown()
        torch.set_num_threads(self._threads)  # what threads that start later take over was set to 1 by ours

    def nearest(self, rows: Tensor, targets: Tensor) -> Nearest:
        found = Nearest(torch.empty(len(rows), dtype=torch.int64), torch.empty(len(rows)))

        def visit(block: slice, similarities: np.ndarray) -> None:
            _largest(similarities, found.label[block].numpy(), found.similarity[block].numpy())

        self._each_block(rows, targets, visit)
        return found

    def two_nearest(self, rows: Tensor, targets: Tensor) -> TwoNearest:
        empty = [torch.empty(len(rows), dtype=kind) for kind in (torch.int64, torch.float32) * 2]
        found = TwoNearest(*empty)

        def visit(block: slice, similarities: np.ndarray) -> None:
            label, similarity, second, margin = (part[block].numpy() for part in found)
            _largest(similarities, label, similarity)
            similarities[np.arange(len(label)), label] = -np.inf
            _largest(similarities, second, margin)
            np.subtract(similarity, margin, out=margin)

        self._each_block(rows, targets, visit)
        return found if len(targets) > 1 else _alone(Nearest(found.label, found.similarity))

    def add(self, rows: Tensor, label: Tensor, sums: Tensor, counts: Tensor) -> None:
        def take(turn: int) -> None:
            _add_rows(rows.numpy(), label.numpy(), sums.numpy(), counts.numpy(), turn, self._threads)

        list(self._pool.map(take, range(self._threads)))

    def _each_block(self, rows: Tensor, targets: Tensor, visit: Callable[[slice, np.ndarray], None]) -> None:
        size = max(_CACHED // len(targets), 64)

        def product(first: int) -> None:
            block = slice(first, min(first + size, len(rows)))
            similarities = self._space(size, len(targets))[: block.stop - first]
            torch.mm(rows[block], targets.T, out=similarities)
            visit(block, similarities.numpy())

        list(self._pool.map(product, range(0, len(rows), size)))

    def _space(self, rows: int, targets: int) -> Tensor:
        """This thread's own buffer; a new one for every block would be fetched from the system page by page."""
        space = getattr(self._scratch, "space", None)
        if space is None or space.shape != (rows, targets):
            space = self._scratch.space = torch.empty(rows, targets)
        return space


class _OnDevice(Search):
    """Whole products on the device of the targets."""

    def nearest(self, rows: Tensor, targets: Tensor) -> Nearest:
        pieces = [(piece @ targets.T).max(1) for piece in self._pieces(rows, targets)]
        values, indices = (torch.cat(part) for part in zip(*pieces, strict=True))
        return Nearest(indices, values)

    def two_nearest(self, rows: Tensor, targets: Tensor) -> TwoNearest:
        if len(targets) == 1:
            return _alone(self.nearest(rows, targets))
        pieces = [(piece @ targets.T).topk(2) for piece in self._pieces(rows, targets)]
        values, indices = (torch.cat(part) for part in zip(*pieces, strict=True))
        return TwoNearest(indices[:, 0], values[:, 0], indices[:, 1], values[:, 0] - values[:, 1])

    def add(self, rows: Tensor, label: Tensor, sums: Tensor, counts: Tensor) -> None:
        sums.index_add_(0, label, rows.to(sums.device, sums.dtype))
        counts += torch.bincount(label, minlength=len(counts))

    def _pieces(self, rows: Tensor, targets: Tensor) -> list[Tensor]:
        return [piece.to(targets.device) for piece in rows.split(max(_ON_DEVICE // len(targets), 1))]


def _alone(found: Nearest) -> TwoNearest:
    return TwoNearest(*found, torch.full_like(found.label, -1), torch.full_like(found.similarity, torch.nan))


def _largest(similarities: np.ndarray, label: np.ndarray, similarity: np.ndarray) -> None:
    """numpy's argmax is vectorised; torch's maximum with indices takes ten times as long on CPU."""
    similarities.argmax(axis=1, out=label)
    similarity[:] = similarities[np.arange(len(label)), label]


@njit(cache=True, nogil=True)
def _add_rows(rows, label, sums, counts, turn, turns):
    """Add the rows of the targets whose turn it is; each target has one turn, so no two threads add to it."""
    for row in range(rows.shape[0]):
        target = label[row]
        if target % turns == turn:
            counts[target] += 1
            for dim in range(rows.shape[1]):
                sums[target, dim] += rows[row, dim]
