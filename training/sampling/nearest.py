"""Which of many unit vectors are nearest to each row, and sums of the rows that share one: the work of a Lloyd step.

A row's similarities to 2,000 centroids are 8 kB, so those of a whole corpus never fit in a cache and a plain matrix
product followed by a maximum waits for memory twice. On CPU every core therefore takes blocks of rows whose similarities
stay in its cache: product and maximum at once, block after block. The blocks are the same on one core and on many, and
every centroid's rows are summed by one core in their order, so results do not depend on the number of cores.

Most centroids of a clustering soon stand still. `renew` then multiplies with those that moved alone: a row whose nearest
stands still can only go to one of them, and one whose nearest moved stays there or goes to one of them as long as it is
nearer than what is known of the others, the bound `Standing.rival`. The few rows of which that cannot be said (one in
a hundred) are compared with all. Nothing is approximate, as with the bounds of Elkan 2003 and Hamerly 2010, but the work
stays a dense matrix product.
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

_CACHED = 1 << 21
"""Similarities a block on CPU, 8 MB."""
_MOST_ROWS = 4096
"""Rows of a block, however few the targets: there must be blocks for all cores."""
_ON_DEVICE = 1 << 28
"""Similarities at once elsewhere, 1 GB."""
_MOST_MOVED = 0.9
"""Share of the targets from which comparing with those that moved saves nothing."""
_ROUNDING = 1e-6
"""Similarities nearer than this may be in either order."""


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


class Standing(NamedTuple):
    """What is known of each row between two calls of `Search.renew`, which changes it in place."""

    label: Int[Tensor, " row"]
    similarity: Float[Tensor, " row"]
    rival: Float[Tensor, " row"]
    """No other target is nearer than this."""

    @classmethod
    def unknown(cls, rows: int, device: torch.device) -> Self:
        """Of rows that have not been compared yet: label -1."""
        numbers = (torch.empty(rows, device=device) for _ in range(2))
        return cls(torch.full((rows,), -1, device=device), *numbers)

    def part(self, first: int, count: int) -> Self:
        """A view of some rows."""
        return type(self)(*(part[first : first + count] for part in self))


class Search(ABC):
    """Compares rows with `targets` where those lie. A context manager: it may hold threads."""

    @abstractmethod
    def nearest(self, rows: Float[Tensor, "row d"], targets: Float[Tensor, "target d"]) -> Nearest:
        """The target of the largest dot product with each row; the first of equals."""

    @abstractmethod
    def two_nearest(self, rows: Float[Tensor, "row d"], targets: Float[Tensor, "target d"]) -> TwoNearest:
        """The targets of the two largest dot products with each row."""

    @abstractmethod
    def renew(
        self,
        rows: Float[Tensor, "row d"],
        standing: Standing,
        targets: Float[Tensor, "target d"],
        moved: Int[Tensor, " moved"] | None,
    ) -> None:
        """Bring up to date what is known of the rows, when only the targets numbered `moved` have changed; None: all."""

    @abstractmethod
    def move(
        self,
        rows: Float[Tensor, "row d"],
        before: Int[Tensor, " row"],
        after: Int[Tensor, " row"],
        sums: Float[Tensor, "target d"],
        counts: Int[Tensor, " target"],
    ) -> None:
        """Take every row from the float64 `sums` and the `counts` of one target to another's; from nowhere if it is -1."""

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
            label, similarity, second, margin = _arrays(found, block)
            _largest(similarities, label, similarity)
            similarities[np.arange(len(label)), label] = -np.inf
            _largest(similarities, second, margin)
            np.subtract(similarity, margin, out=margin)

        self._each_block(rows, targets, visit)
        return found if len(targets) > 1 else _alone(Nearest(found.label, found.similarity))

    def renew(self, rows: Tensor, standing: Standing, targets: Tensor, moved: Tensor | None) -> None:
        if moved is not None and len(moved) == 0:
            return
        if moved is None or len(moved) > _MOST_MOVED * len(targets):
            self._each_block(rows, targets, lambda block, found: _settle(found, *_arrays(standing, block)))
            return
        numbers, place = moved.numpy(), np.full(len(targets), -1)
        place[numbers] = np.arange(len(numbers))

        def visit(block: slice, similarities: np.ndarray) -> None:
            known = _arrays(standing, block)
            doubtful = _renew(similarities, numbers, place, *known)
            if len(doubtful):
                fresh = [part[doubtful] for part in known]
                _settle((rows[block][doubtful] @ targets.T).numpy(), *fresh)
                for part, values in zip(known, fresh, strict=True):
                    part[doubtful] = values

        self._each_block(rows, targets[moved], visit)

    def move(self, rows: Tensor, before: Tensor, after: Tensor, sums: Tensor, counts: Tensor) -> None:
        arrays = tuple(tensor.numpy() for tensor in (rows, before, after, sums, counts))
        list(self._pool.map(lambda turn: _move_rows(arrays, turn, self._threads), range(self._threads)))

    def _each_block(self, rows: Tensor, targets: Tensor, visit: Callable[[slice, np.ndarray], None]) -> None:
        size = min(max(_CACHED // len(targets), 64), _MOST_ROWS)

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

    def renew(self, rows: Tensor, standing: Standing, targets: Tensor, moved: Tensor | None) -> None:
        label, similarity, _, margin = self.two_nearest(rows, targets)
        for part, values in zip(standing, (label, similarity, similarity - margin), strict=True):
            part.copy_(values)

    def move(self, rows: Tensor, before: Tensor, after: Tensor, sums: Tensor, counts: Tensor) -> None:
        for label, sign in ((after, 1), (before, -1)):
            those = (before != after) & (label >= 0)
            numbers = label[those]
            sums.index_add_(0, numbers, rows[those.to(rows.device)].to(sums.device, sums.dtype), alpha=sign)
            counts += sign * torch.bincount(numbers, minlength=len(counts))

    def _pieces(self, rows: Tensor, targets: Tensor) -> list[Tensor]:
        return [piece.to(targets.device) for piece in rows.split(max(_ON_DEVICE // len(targets), 1))]


def _alone(found: Nearest) -> TwoNearest:
    return TwoNearest(*found, torch.full_like(found.label, -1), torch.full_like(found.similarity, torch.nan))


def _largest(similarities: np.ndarray, label: np.ndarray, similarity: np.ndarray) -> None:
    """numpy's argmax is vectorised; torch's maximum with indices takes ten times as long on CPU."""
    similarities.argmax(axis=1, out=label)
    similarity[:] = similarities[np.arange(len(label)), label]


def _arrays(parts: tuple[Tensor, ...], block: slice) -> tuple[np.ndarray, ...]:
    return tuple(part[block].numpy() for part in parts)


def _settle(similarities: np.ndarray, label: np.ndarray, similarity: np.ndarray, rival: np.ndarray) -> None:
    """Write the standing of rows from all their similarities, which are used up."""
    _largest(similarities, label, similarity)
    similarities[np.arange(len(label)), label] = -np.inf
    np.max(similarities, axis=1, out=rival)


def _renew(
    similarities: np.ndarray,
    numbers: np.ndarray,
    place: np.ndarray,
    label: np.ndarray,
    similarity: np.ndarray,
    rival: np.ndarray,
) -> np.ndarray:
    """Write the standing of rows from their similarities to the targets `numbers`; return the rows that stay doubtful.

    `place` is each target's column, -1 where it stands still.
    """
    column = place[label]
    followed = np.flatnonzero(column >= 0)
    similarity[followed] = similarities[followed, column[followed]]
    similarities[followed, column[followed]] = -np.inf
    best, first = np.empty(len(label), np.int64), np.empty(len(label), np.float32)
    _largest(similarities, best, first)
    np.maximum(rival, np.minimum(first, similarity), out=rival)
    leaving = np.flatnonzero(first > similarity)
    similarities[leaving, best[leaving]] = -np.inf
    rival[leaving] = np.maximum(rival[leaving], similarities[leaving].max(axis=1))
    label[leaving], similarity[leaving] = numbers[best[leaving]], first[leaving]
    return np.flatnonzero(similarity < rival + _ROUNDING)


@njit(cache=True, nogil=True)
def _move_rows(arrays, turn, turns):
    """Move the rows from and to the targets whose turn it is; each target has one turn, so no two threads add to it."""
    rows, before, after, sums, counts = arrays
    for row in range(rows.shape[0]):
        old, new = before[row], after[row]
        if old == new:
            continue
        if new % turns == turn:
            counts[new] += 1
            for dim in range(rows.shape[1]):
                sums[new, dim] += rows[row, dim]
        if old >= 0 and old % turns == turn:
            counts[old] -= 1
            for dim in range(rows.shape[1]):
                sums[old, dim] -= rows[row, dim]
