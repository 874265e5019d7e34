"""Unit vectors as clustering reads them: in blocks from wherever they lie, so that a corpus need not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

SLAB = 65_536
"""Rows read at a time: 100 MB at 384 dimensions, and enough for all cores to end at about the same time."""
MEMORY = 4e9
"""Bytes of vectors that are held in memory when nothing else is said."""
_TOLERANCE = 1e-3

Numbers = Sequence[int] | Int[np.ndarray, " row"] | Int[Tensor, " row"]
"""Rows by number."""


class Vectors(Protocol):
    """Rows of unit length; `training.sampling.folder.Embeddings` is one kind."""

    def __len__(self) -> int:
        """Rows."""
        ...

    def blocks(self, rows: int) -> Iterator[Float[Tensor, "row d"]]:
        """All rows in order, at most `rows` at a time."""
        ...

    def rows(self, numbers: Numbers) -> Float[Tensor, "row d"]:
        """The rows of these numbers, in this order."""
        ...


class Matrix:
    """Vectors in memory."""

    def __init__(self, matrix: Float[Tensor, "row d"]) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def blocks(self, rows: int) -> Iterator[Float[Tensor, "row d"]]:
        """Views of at most `rows` rows."""
        return iter(self.matrix.split(rows))

    def rows(self, numbers: Numbers) -> Float[Tensor, "row d"]:
        """The rows of these numbers, in this order."""
        return self.matrix[torch.as_tensor(numbers, dtype=torch.int64)]


class Subset:
    """Some rows of other vectors, in their order."""

    def __init__(self, whole: Vectors, kept: Bool[np.ndarray, " row"]) -> None:
        self._whole, self._kept = whole, torch.as_tensor(kept)
        self._numbers = self._kept.nonzero()[:, 0]

    def __len__(self) -> int:
        return len(self._numbers)

    def blocks(self, rows: int) -> Iterator[Float[Tensor, "row d"]]:
        """What is kept of each block of the whole."""
        first = 0
        for block in self._whole.blocks(rows):
            inside = self._kept[first : first + len(block)]
            first += len(block)
            if inside.any():
                yield block[inside]

    def rows(self, numbers: Numbers) -> Float[Tensor, "row d"]:
        """Rows by their number among those kept."""
        return self._whole.rows(self._numbers[torch.as_tensor(numbers, dtype=torch.int64)])


def slabs(vectors: Vectors) -> Iterator[Float[Tensor, "row d"]]:
    """All rows in order in pieces of `SLAB` rows, the last one smaller; a piece is to be used before the next is asked for.

    What lies on disk in smaller pieces is gathered in one buffer, again and again: joining them would hold three slabs.
    """
    if isinstance(vectors, Matrix):
        yield from vectors.blocks(SLAB)
        return
    buffer, filled = torch.empty(0), 0
    for block in vectors.blocks(SLAB):
        buffer = buffer if len(buffer) else block.new_empty(SLAB, block.shape[1])
        while len(block):
            piece, block = block[: SLAB - filled], block[SLAB - filled :]
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            if filled == SLAB:
                yield buffer
                filled = 0
    if filled:
        yield buffer[:filled]


def in_memory(vectors: Vectors, *, limit: float = MEMORY) -> Vectors:
    """The same vectors, read once if they take at most `limit` bytes: k-means passes over them hundreds of times."""
    if isinstance(vectors, Matrix) or len(vectors) == 0:
        return vectors
    width = vectors.rows([0]).shape[1]
    if len(vectors) * width * 4 > limit:
        return vectors
    matrix, first = torch.empty(len(vectors), width), 0
    for block in vectors.blocks(SLAB):
        matrix[first : first + len(block)] = block
        first += len(block)
    return Matrix(matrix)


def check_length(vectors: Vectors) -> None:
    """Raises ValueError if a row is not of unit length: cosine k-means would silently weigh it by its length."""
    first = 0
    for block in slabs(vectors):
        norms = torch.linalg.vector_norm(block, dim=1)
        wrong = ~((norms - 1).abs() <= _TOLERANCE)  # written so that NaN is wrong too
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(f"row {first + row} has length {norms[row]:.4g}; accepted are vectors of unit length")
        first += len(block)
