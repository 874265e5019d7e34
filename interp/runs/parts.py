"""Tables in numbered Parquet parts, `part-00000.parquet` and on: streamed whole, or read at any rows.

A part is written whole or not at all, so a job that writes one after the other goes on where it was killed. Memory is
that of a row group at a time, however long the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from interp.runs.atomic import replacing

GROUP_ROWS = 4096
"""Rows of a row group, which is what a look-up of single rows reads."""


def part_path(folder: Path, number: int) -> Path:
    """Where part `number` of the table in `folder` lies."""
    return folder / f"part-{number:05d}.parquet"


def write_part(
    path: Path,
    table: pa.Table,
    *,
    compression: str = "zstd",
    level: int | None = None,
    dictionaries: bool | Sequence[str] = True,
) -> None:
    """Write one part; `dictionaries` names the columns whose values repeat, if not all are to be tried."""
    options: dict[str, Any] = {"compression": compression, "compression_level": level}
    with replacing(path) as temporary:
        pq.write_table(table, temporary, **options, row_group_size=GROUP_ROWS, use_dictionary=dictionaries)


class Parts:
    """All parts of the table in a folder, rows numbered from 0 over all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(folder.glob("part-*.parquet"))

    @cached_property
    def _groups(self) -> list[tuple[Path, int, int]]:
        """Path, place in its file and rows of each row group."""
        found = []
        for path in self.paths:
            metadata = pq.read_metadata(path)
            found += [(path, group, metadata.row_group(group).num_rows) for group in range(metadata.num_row_groups)]
        return found

    @cached_property
    def _starts(self) -> Int[np.ndarray, " group"]:
        """Row at which each row group starts, and at the end the rows of the table."""
        return np.cumsum([0, *(rows for _, _, rows in self._groups)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def schema(self) -> pa.Schema:
        """Columns and their types, as the first part has them."""
        return pq.read_schema(self.paths[0])

    def batches(self, columns: Sequence[str] | None = None, *, rows: int = GROUP_ROWS) -> Iterator[pa.RecordBatch]:
        """The table in its order, at most `rows` rows at a time."""
        for path in self.paths:
            with pq.ParquetFile(path, memory_map=True) as file:
                yield from file.iter_batches(batch_size=rows, columns=_listed(columns))

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as a whole."""
        return pa.Table.from_batches(self.batches([name]))[name]

    def take(self, numbers: Int[np.ndarray, " row"], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of these numbers, in their order, repeats included. Raises IndexError for one that is not there."""
        numbers = np.asarray(numbers, dtype=np.int64)
        if not len(numbers):
            return self.schema.empty_table().select(_listed(columns) or self.schema.names)
        if numbers.min() < 0 or numbers.max() >= len(self):
            raise IndexError(f"rows {numbers.min()} to {numbers.max()} of a table of {len(self)} rows")

        def read(group: int) -> pa.Table:
            path, place, _ = self._groups[group]
            with pq.ParquetFile(path, memory_map=True) as file:
                return file.read_row_group(place, columns=_listed(columns))

        return gathered(numbers, self._starts, read)


def gathered(
    numbers: Int[np.ndarray, " row"], starts: Int[np.ndarray, " group"], read: Callable[[int], pa.Table]
) -> pa.Table:
    """Rows of a table in groups that `read` gives, each read once: in the order of `numbers`, repeats included.

    `starts` are the numbers of the groups' first rows, rising from 0.
    """
    wanted, place = np.unique(numbers, return_inverse=True)
    group = np.searchsorted(starts, wanted, side="right") - 1
    return pa.concat_tables([read(one).take(wanted[group == one] - starts[one]) for one in np.unique(group)]).take(place)


def _listed(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)
