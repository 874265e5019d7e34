"""A corpus as a table on disk: its documents in Parquet parts, and beside them what was set aside.

    documents/part-00000.parquet   id, text, characters, and the metadata, each column of one type in all parts
    set_aside.parquet              place, reason, excerpt; its metadata says what source and columns the corpus is of

Values of a metadata column that no one type holds, say numbers and words, are kept as JSON text. A metadata column that
is named like one of ours gets `source_` before its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from interp.corpora.records import Record, read_records
from interp.corpora.rows import SetAside
from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from interp.runs.parts import Parts, part_path, write_part

PART_ROWS = 512
"""Documents of a part: what a job over the corpus does again after a kill, at most, and after which it shows progress."""
OURS = ("id", "text", "characters")
"""Columns that every document has."""


def store(
    source: str, folder: Path, *, text_column: str = "text", id_column: str = "id", part_rows: int = PART_ROWS
) -> Parts:
    """Write the corpus `source` to `folder`, unless it is there; return its documents.

    A kill leaves no `set_aside.parquet`, and the next call begins anew. Raises UserError as `read_records` does, and
    where the folder holds another corpus, or this one by other columns.
    """
    documents, log = folder / "documents", folder / "set_aside.parquet"
    origin = {"source": source, "text_column": text_column, "id_column": id_column}
    if log.exists():
        _refuse_other(log, origin)
    else:
        with replacing(log) as temporary, _Log(temporary, origin) as aside:
            records = aside.without(read_records(source, text_column=text_column, id_column=id_column))
            for path in documents.glob("*.parquet"):
                path.unlink()
            for number, part in enumerate(_parts(records, part_rows)):
                write_part(part_path(documents, number), table_of(part))
            _agree(Parts(documents))
    return Parts(documents)


def _refuse_other(log: Path, origin: dict[str, str]) -> None:
    held = {key.decode(): value.decode() for key, value in (pq.read_schema(log).metadata or {}).items()}
    changed = [f"{key} {held.get(key, 'unknown')} (now {value})" for key, value in origin.items() if held.get(key) != value]
    if changed:
        raise UserError(f"{log.parent} holds the documents of another corpus: {', '.join(changed)}; take another folder")


class _Log:
    """What is set aside, written as it comes; `origin` goes into the file's metadata."""

    def __init__(self, path: Path, origin: dict[str, str]) -> None:
        self._schema = pa.schema([(name, pa.string()) for name in SetAside._fields], metadata=origin)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._held: list[SetAside] = []

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()

    def without(self, found: Iterable[Record | SetAside]) -> Iterator[Record]:
        """The records of `found`; the others are written down."""
        for one in found:
            if isinstance(one, Record):
                yield one
                continue
            self._held.append(one)
            if len(self._held) == PART_ROWS:
                self._write()

    def _write(self) -> None:
        self._writer.write_table(pa.Table.from_pylist([one._asdict() for one in self._held], schema=self._schema))
        self._held = []


def _parts(records: Iterator[Record], rows: int) -> Iterator[list[Record]]:
    while part := list(islice(records, rows)):
        yield part


def table_of(records: Sequence[Record]) -> pa.Table:
    """Records as a table: ours first, then every key of their metadata."""
    ours = {
        "id": pa.array([record.id for record in records], pa.string()),
        "text": pa.array([record.text for record in records], pa.large_string()),
        "characters": pa.array([len(record.text) for record in records], pa.int64()),
    }
    names = dict.fromkeys(chain.from_iterable(record.metadata for record in records))
    carried = {_free(name): _column([record.metadata.get(name) for record in records]) for name in names}
    return pa.table({**carried, **ours}).select([*ours, *carried])


def _free(name: str) -> str:
    return f"source_{name}" if name in OURS else name


def _column(values: list[Any]) -> pa.Array:
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return _as_json(values)
    return _as_json(values) if _unwritable(column.type) else column


def _unwritable(kind: pa.DataType) -> bool:
    """Whether Parquet has no place for a type: an object without fields, anywhere inside."""
    fields = [kind.field(number) for number in range(kind.num_fields)]
    return (pa.types.is_struct(kind) and not fields) or any(_unwritable(field.type) for field in fields)


def _as_json(values: Iterable[Any]) -> pa.Array:
    return pa.array([None if value is None else json.dumps(value, default=str) for value in values], pa.string())


def _agree(parts: Parts) -> None:
    """Give every column the same type in all parts: the narrowest that holds all, else JSON text."""
    schemas = [pq.read_schema(path) for path in parts.paths]
    if all(schema.equals(schemas[0]) for schema in schemas):
        return
    fields = dict.fromkeys(chain.from_iterable(schema.names for schema in schemas))
    schema = pa.schema([(name, _common([one.field(name).type for one in schemas if name in one.names])) for name in fields])
    for path, own in zip(parts.paths, schemas, strict=True):
        if not own.equals(schema):
            table = pq.read_table(path)
            write_part(path, pa.table([_cast(table, field) for field in schema], schema=schema))


def _common(kinds: Sequence[pa.DataType]) -> pa.DataType:
    try:
        fields = [pa.schema([("column", kind)]) for kind in kinds]
        return pa.unify_schemas(fields, promote_options="permissive").field("column").type
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()


def _cast(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if field.name not in table.column_names:
        return pa.nulls(len(table), field.type)
    column = table[field.name]
    try:
        return column.cast(field.type) if column.type != field.type else column
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _as_json(column.to_pylist())
