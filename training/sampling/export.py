"""A resampled corpus: the documents in the order in which a sampler draws them, repeats included.

For trainers that read a file from top to bottom. The corpus is laid out once as an uncompressed Arrow file beside the
result, of which only the drawn rows are mapped into memory; it is removed at the end.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int

from interp.corpora.files import SAMPLED_DOCUMENT
from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from interp.runs.parts import gathered
from interp.runs.progress import Progress
from training.sampling.grouped import GroupedCorpus
from training.sampling.sampler import ClusterSampler

ROWS = 2048
"""Documents written at a time."""
CLUSTER, REPEAT = "sampled_cluster", "sampled_repeat"
"""Columns that are added beside `SAMPLED_DOCUMENT`: the document's cluster, and how often it was drawn before."""
_ADDED = (SAMPLED_DOCUMENT, CLUSTER, REPEAT)
_COMPRESSION = {".jsonl": None, ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}


class Exported(NamedTuple):
    """What was written."""

    draws: int
    documents: int
    """Different documents among them."""
    max_repeats: int
    """Most draws of one document."""


def export(run: GroupedCorpus, sampler: ClusterSampler, out: Path) -> Exported:
    """Write what `sampler` draws of `run` to `out`: .jsonl, .jsonl.gz, .jsonl.zst or .parquet, whole or not at all.

    Every record is the document with its metadata, its cluster, and how often it was drawn before: identifiers repeat,
    identifier and repeat together do not. Trainers of ours that hold text out hold all repeats of a document out together,
    and no longer what has the same `source`. Raises UserError for another kind of file.
    """
    kind = _kind(out)
    seen, clusters = np.zeros(len(run), np.int64), run.assignments["cluster"].to_numpy()
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        _laid_out(run, out.parent) as corpus,
        replacing(out) as temporary,
        _writer(temporary, kind, _schema(corpus.schema)) as write,
        Progress(len(sampler), unit="documents", label=out.name) as progress,
    ):
        for block in sampler.blocks():
            for first in range(0, len(block), ROWS):
                numbers = block[first : first + ROWS]
                write(_with(corpus.rows(numbers), clusters[numbers], _repeats(numbers, seen)))
                progress.advance(len(numbers))
    return Exported(int(seen.sum()), int((seen > 0).sum()), int(seen.max(initial=0)))


class _Corpus:
    """Documents of a memory-mapped Arrow file, by number."""

    def __init__(self, file: pa.NativeFile) -> None:
        self._reader = pa.ipc.open_file(file)
        batches = range(self._reader.num_record_batches)
        self._starts = np.cumsum([0, *(self._reader.get_batch(number).num_rows for number in batches)])
        self.schema: pa.Schema = self._reader.schema

    def rows(self, numbers: Int[np.ndarray, " row"]) -> pa.Table:
        return gathered(numbers, self._starts, lambda batch: pa.Table.from_batches([self._reader.get_batch(batch)]))


@contextmanager
def _laid_out(run: GroupedCorpus, folder: Path) -> Iterator[_Corpus]:
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as place:
        path, batches = Path(place) / "corpus.arrow", run.documents()
        first = next(batches)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
            writer.write_batch(first)
            for batch in batches:
                writer.write_batch(batch)
        with pa.memory_map(str(path)) as file:
            yield _Corpus(file)


@contextmanager
def _writer(path: Path, kind: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], object]]:
    if kind == ".parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer.write_table
    else:
        with pa.output_stream(str(path), compression=_COMPRESSION[kind]) as stream:
            yield lambda table: stream.write(_lines(table))


def _kind(out: Path) -> str:
    for ending in (*_COMPRESSION, ".parquet"):
        if out.name.endswith(ending):
            return ending
    raise UserError(f"{out} is refused as a corpus; accepted endings are {', '.join(_COMPRESSION)} and .parquet")


def _schema(corpus: pa.Schema) -> pa.Schema:
    fields = [field for field in corpus if field.name not in _ADDED]
    return pa.schema([*fields, (SAMPLED_DOCUMENT, corpus.field("id").type), (CLUSTER, pa.int32()), (REPEAT, pa.int32())])


def _with(table: pa.Table, clusters: Int[np.ndarray, " row"], repeats: list[int]) -> pa.Table:
    kept = table.drop_columns([name for name in _ADDED if name in table.column_names])
    with_cluster = kept.append_column(SAMPLED_DOCUMENT, kept["id"]).append_column(CLUSTER, pa.array(clusters, pa.int32()))
    return with_cluster.append_column(REPEAT, pa.array(repeats, pa.int32()))


def _repeats(numbers: Int[np.ndarray, " row"], seen: Int[np.ndarray, " document"]) -> list[int]:
    """How often each was drawn before; `seen` counts on."""
    before = []
    for number in numbers.tolist():
        before.append(int(seen[number]))
        seen[number] += 1
    return before


def _lines(table: pa.Table) -> bytes:
    """Rows as JSON lines; NaN and infinities, which JSON has not, as null."""
    for index, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            column = table.column(index)
            table = table.set_column(index, field.name, pc.if_else(pc.is_finite(column), column, None))
    rows = (json.dumps(row, ensure_ascii=False, default=str) for row in table.to_pylist())
    return "".join(f"{row}\n" for row in rows).encode("utf-8", "surrogatepass")
