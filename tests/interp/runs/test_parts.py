"""Tables in parts: rows keep their numbers over parts and row groups."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from interp.runs.parts import GROUP_ROWS, Parts, part_path, write_part


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """Three parts, the first of more than one row group."""
    bounds = [0, GROUP_ROWS + 3, GROUP_ROWS + 4, GROUP_ROWS + 10]
    for number, (first, last) in enumerate(itertools.pairwise(bounds)):
        values = np.arange(first, last)
        write_part(part_path(tmp_path, number), pa.table({"value": values, "name": [f"n{one}" for one in values]}))
    return Parts(tmp_path)


def test_rows_by_number(parts: Parts) -> None:
    numbers = np.array([GROUP_ROWS + 9, 0, GROUP_ROWS, GROUP_ROWS + 3, 0])
    found = parts.take(numbers)
    assert found["value"].to_pylist() == numbers.tolist()
    assert found["name"].to_pylist() == [f"n{one}" for one in numbers]
    assert parts.take(np.array([], dtype=np.int64), ["name"]).schema.names == ["name"]


def test_batches_are_the_whole_in_order(parts: Parts) -> None:
    batches = list(parts.batches(["value"], rows=1000))
    assert max(len(batch) for batch in batches) == 1000
    assert np.concatenate([batch.column(0) for batch in batches]).tolist() == list(range(len(parts)))


def test_a_column_is_that_of_all_parts(parts: Parts) -> None:
    assert parts.column("value").to_pylist() == list(range(len(parts)))


@pytest.mark.parametrize("number", [-1, GROUP_ROWS + 10])
def test_rows_that_are_not_there(parts: Parts, number: int) -> None:
    with pytest.raises(IndexError):
        parts.take(np.array([number]))
