"""Tables of routing records, checked as they are opened: Parquet parts, or JSON lines; one of another program too."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from interp.runs.errors import UserError
from training.moe.records import DOMAINS, LOADS, LOGITS, PASSES, ROUTES

SCHEMAS = {"routes": ROUTES, "loads": LOADS, "passes": PASSES, "logits": LOGITS, "domains": DOMAINS}
MAY_LACK: dict[str, dict[str, object]] = {
    "routes": {"token_id": -1, "filled": False, "rectified": False, "slot": -1, "weight": float("nan")},
    "loads": {"filled": 0, "rectified": 0},
    "passes": {"balance": float("nan"), "capacity": float("inf"), "row_bytes": None},
    "logits": {"token_id": -1, "mass": None},
    "domains": {},
}
"""Columns that a table of another program, or of an older version, may lack, and what is taken then; None is unknown."""
MOST_JSON_BYTES = 300_000_000
_LISTS = ("logits", "choose_by")


def open_tables(path: Path) -> dict[str, ds.Dataset]:
    """All tables in a folder, by name; of a file the one that its columns are those of.

    Raises UserError for what cannot be read, naming the column that is missing or of a wrong type.
    """
    if not path.is_dir():
        return _table_of_file(path)
    found = {}
    for table in SCHEMAS:
        parts = sorted((path / table).glob("part-*.parquet"))
        if files := parts or [file for file in [path / f"{table}.jsonl"] if file.is_file()]:
            found[table] = _checked(_read(files), table, files[0])
    return found


def _table_of_file(path: Path) -> dict[str, ds.Dataset]:
    if not path.is_file() or path.suffix not in (".jsonl", ".parquet"):
        return {}
    found = _read([path])
    table = "loads" if {"kept", "dropped"} <= set(found.schema.names) else "routes"
    return {table: _checked(found, table, path)}


def _read(files: list[Path]) -> ds.Dataset:
    try:
        if files[0].suffix == ".parquet":
            return ds.dataset([str(file) for file in files], format="parquet")
        import pyarrow.json as lines

        if (size := files[0].stat().st_size) > MOST_JSON_BYTES:
            raise ValueError(f"its {size:,} bytes are more than {MOST_JSON_BYTES:,}; accepted beyond is Parquet")
        return ds.dataset(lines.read_json(files[0]))
    except (OSError, ValueError) as error:
        raise UserError(f"{files[0]} cannot be read as routing records: {str(error).splitlines()[0]}") from None


def _checked(found: ds.Dataset, table: str, name: Path) -> ds.Dataset:
    """With the schema's columns and types; lists of numbers stay as they are."""
    schema, names = SCHEMAS[table], found.schema.names
    if missing := [column for column in schema.names if column not in names and column not in MAY_LACK[table]]:
        told = f"accepted are {', '.join(schema.names)}; it has {', '.join(names)}"
        raise UserError(f"{name} lacks the column {missing[0]} of {table}; {told}")
    lists = [field for field in found.schema if field.name in _LISTS] if table == "logits" else []
    if table == "logits" and "logits" not in names:
        raise UserError(f"{name} lacks the column logits of {table}; accepted is a list of numbers, one an expert")
    whole = pa.schema([*schema, *lists])
    if isinstance(found, ds.InMemoryDataset):
        rows = found.to_table()
        return ds.dataset(pa.table({field.name: _cast(rows, field, name) for field in whole}, schema=whole))
    typed = ds.dataset(found.files, schema=whole, format="parquet")  # casts as it reads
    for field in whole:
        if field.name in names and found.schema.field(field.name).type != field.type:
            try:
                typed.to_table(columns=[field.name])
            except pa.ArrowException as error:
                raise _wrong(field, name, error) from None
    return typed


def _cast(rows: pa.Table, field: pa.Field, name: Path) -> pa.ChunkedArray | pa.Array:
    if field.name not in rows.schema.names:
        return pa.nulls(len(rows), field.type)
    try:
        return rows[field.name].cast(field.type)
    except pa.ArrowException as error:
        raise _wrong(field, name, error) from None


def _wrong(field: pa.Field, name: Path, error: Exception) -> UserError:
    told = str(error).splitlines()[0]
    return UserError(f"the column {field.name} of {name} holds no {field.type} ({told}); accepted is {field.type}")
