"""Vectors in blocks: the same rows however they are read."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tests.training.sampling.planted import planted
from training.sampling.vectors import Matrix, Numbers, Subset, check_length, in_memory, slabs

VECTORS, _ = planted([30, 20], width=8)
KEPT = np.arange(50) % 3 > 0


class Crumbs:
    """Vectors that lie in small pieces."""

    def __init__(self, piece: int) -> None:
        self._piece = piece

    def __len__(self) -> int:
        return len(VECTORS)

    def blocks(self, rows: int) -> Iterator[torch.Tensor]:
        return iter(VECTORS.split(self._piece))

    def rows(self, numbers: Numbers) -> torch.Tensor:
        return Matrix(VECTORS).rows(numbers)


def test_a_subset_reads_what_indexing_gives() -> None:
    subset = Subset(Matrix(VECTORS), KEPT)
    expected = VECTORS[torch.as_tensor(KEPT)]
    assert len(subset) == len(expected)
    assert torch.equal(torch.cat(list(subset.blocks(7))), expected)
    assert torch.equal(subset.rows([3, 0, 3]), expected[[3, 0, 3]])


def test_a_block_without_kept_rows_is_left_out() -> None:
    kept = np.arange(50) >= 20
    assert all(len(block) for block in Subset(Matrix(VECTORS), kept).blocks(10))


def test_slabs_join_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sampling.vectors.SLAB", 12)
    for source in (Crumbs(4), Crumbs(5), Crumbs(30), Matrix(VECTORS)):
        found = [slab.clone() for slab in slabs(source)]
        assert [len(slab) for slab in found] == [12, 12, 12, 12, 2] and torch.equal(torch.cat(found), VECTORS)


def test_slabs_copy_nothing_that_is_in_memory_and_gather_all_else_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.sampling.vectors.SLAB", 12)
    assert {slab.untyped_storage().data_ptr() for slab in slabs(Matrix(VECTORS))} == {VECTORS.untyped_storage().data_ptr()}
    assert len({slab.data_ptr() for slab in slabs(Crumbs(5))}) == 1


def test_in_memory_is_read_once_where_it_fits() -> None:
    subset = Subset(Matrix(VECTORS), KEPT)
    read = in_memory(subset)
    assert isinstance(read, Matrix) and torch.equal(read.matrix, VECTORS[torch.as_tensor(KEPT)])
    assert in_memory(subset, limit=len(subset) * 8 * 4 - 1) is subset


@pytest.mark.parametrize("length", [0.5, 0.0, float("nan")])
def test_other_lengths_are_refused_with_the_row(length: float) -> None:
    vectors = VECTORS.clone()
    vectors[17] *= length
    with pytest.raises(ValueError, match=f"row 17 has length {length:.4g}"):
        check_length(Matrix(vectors))
    check_length(Matrix(VECTORS))
