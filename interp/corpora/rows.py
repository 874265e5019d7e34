"""Rows of a corpus in the forms that people keep theirs in, read as a stream: memory does not grow with the file.

    .jsonl .ndjson    an object a line
    .csv .tsv         a header, then a line a row; values are text
    .parquet          the columns' own types
    .txt .md          one row a file: its text, and its path below the folder that was named
    a folder          all such files below it, in the order of their paths
    hf:owner/name     a data set on the Hugging Face Hub; also hf:owner/name:config and hf:owner/name@split

Text kinds may be compressed, `.gz` or `.zst`. A row that cannot be read is set aside with its place and the reason, and
the rest goes on; so is what is left of a file that breaks off. Everything is UTF-8.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from interp.runs.errors import UserError

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".md", ".parquet")
"""Kinds of files that are read."""
COMPRESSED = (".gz", ".zst")
"""Second suffixes of text kinds."""
HUB = "hf:"
"""Begins the name of a data set on the Hub: nothing else makes us touch the network."""
_HUB_NAME = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(:(?P<config>[\w.-]+))?(@(?P<split>[\w.+%\[\]:-]+))?")
_EXCERPT = 200
_BATCH = 1000


class Row(NamedTuple):
    """One row as it was found."""

    place: str
    """File and line or row, from 1."""
    values: dict[str, Any]


class SetAside(NamedTuple):
    """What could not be taken."""

    place: str
    """File and line or row, from 1."""
    reason: str
    excerpt: str
    """At most 200 characters of it."""

    @classmethod
    def of(cls, place: str, reason: str, content: object = "") -> SetAside:
        """What is set aside, its content cut, and bytes that are no UTF-8 shown as question marks."""
        return cls(place, reason, clean(str(content)[:_EXCERPT]))


def clean(text: str) -> str:
    """`text` without what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode()


def is_text(text: str) -> bool:
    """Whether UTF-8 can hold `text`: bytes that were none, and halves of surrogate pairs, make it False."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def rows(source: str) -> Iterator[Row | SetAside]:
    """All rows of a file, folder or Hub data set. Raises UserError if there is no such thing or it is of no kind we read."""
    if source.startswith(HUB):
        return _hub(source)
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        online = f"; a data set on the Hub is named {HUB}{source}" if re.fullmatch(r"[\w.-]+/[\w-]+", source) else ""
        raise UserError(f"there is no file or folder {source}{online}")
    if _kind(path) is None:
        raise UserError(f"{path} is no corpus we read; accepted are {_accepted()}, folders of them, and {HUB}owner/name")
    return _file(path, path.name)


def _accepted() -> str:
    return f"{', '.join(SUFFIXES)} files (text kinds also with {' or '.join(COMPRESSED)} behind)"


def _kind(path: Path) -> str | None:
    """The suffix that says how a file is read; None if it is not."""
    name = path.name.lower()
    ending = next((end for end in COMPRESSED if name.endswith(end)), "")
    suffix = Path(name.removesuffix(ending)).suffix
    return suffix if suffix in SUFFIXES and not (ending and suffix == ".parquet") else None


def _folder(folder: Path) -> Iterator[Row | SetAside]:
    files = [(file, file.relative_to(folder)) for file in sorted(folder.rglob("*")) if file.is_file()]
    seen = [(file, name) for file, name in files if not any(part.startswith(".") for part in name.parts)]
    if not any(_kind(file) for file, _ in seen):
        raise UserError(f"the folder {folder} has no corpus: {len(seen)} files, none of them {_accepted()}")
    for file, name in seen:
        if _kind(file):
            yield from _file(file, name.as_posix())
        else:
            yield SetAside.of(name.as_posix(), f"no {_accepted()}")


def _file(path: Path, name: str) -> Iterator[Row | SetAside]:
    """Rows of one file; what ends its reading early is the last thing set aside."""
    kind, place = _kind(path), name
    read = _parquet(path, name) if kind == ".parquet" else _text_kind(path, name, kind or "")
    try:
        for found in read:
            place = found.place
            yield found
    except (OSError, pa.ArrowException, csv.Error, EOFError) as error:
        yield SetAside.of(f"after {place}" if place != name else name, f"cannot be read ({error})")


def _text_kind(path: Path, name: str, kind: str) -> Iterator[Row | SetAside]:
    # Bytes that are no UTF-8 come as lone surrogates, which are looked for row by row.
    compression = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix.lower())
    with (
        pa.input_stream(path, compression=compression) as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline=_line_ends(kind)) as text,
    ):
        if kind in (".jsonl", ".ndjson"):
            yield from _json_lines(text, name)
        elif kind in (".csv", ".tsv"):
            yield from _table(text, name, "\t" if kind == ".tsv" else ",")
        else:
            yield _whole(text.read(), name)


def _line_ends(kind: str) -> str | None:
    """JSON lines end at a line feed only, the csv module wants line ends untouched, text has them translated."""
    return {".jsonl": "\n", ".ndjson": "\n", ".csv": "", ".tsv": ""}.get(kind)


def _whole(text: str, name: str) -> Row | SetAside:
    return Row(name, {"text": text, "path": name}) if is_text(text) else SetAside.of(name, "not UTF-8 text", text)


def _json_lines(lines: io.TextIOWrapper, name: str) -> Iterator[Row | SetAside]:
    for number, line in enumerate(lines, start=1):
        place = f"{name}:{number}"
        if not line.strip():
            continue
        if not is_text(line):
            yield SetAside.of(place, "not UTF-8 text", line)
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield SetAside.of(place, f"not JSON ({error})", line)
            continue
        yield Row(place, values) if isinstance(values, dict) else SetAside.of(place, "no JSON object", line)


def _table(lines: io.TextIOWrapper, name: str, delimiter: str) -> Iterator[Row | SetAside]:
    csv.field_size_limit(sys.maxsize)  # the module's own limit, 128 kB, is below many documents
    reader = csv.reader(lines, delimiter=delimiter)
    header = next(reader, [])
    if len(set(header)) < len(header):
        raise csv.Error(f"its header names a column twice: {', '.join(header)}")
    for fields in reader:
        place = f"{name}:{reader.line_num}"
        if not fields:
            continue
        if len(fields) != len(header):
            yield SetAside.of(place, f"{len(fields)} fields under a header of {len(header)}", delimiter.join(fields))
        elif not all(map(is_text, fields)):
            yield SetAside.of(place, "not UTF-8 text", delimiter.join(fields))
        else:
            yield Row(place, dict(zip(header, fields, strict=True)))


def _parquet(path: Path, name: str) -> Iterator[Row | SetAside]:
    number = 0
    with pq.ParquetFile(path, memory_map=True) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield from _batch_rows(batch, name, number)
            number += len(batch)


def _batch_rows(batch: pa.RecordBatch, name: str, before: int) -> Iterator[Row | SetAside]:
    try:
        values = batch.to_pylist()
    except UnicodeDecodeError:
        for number in range(len(batch)):
            if len(batch) > 1:
                yield from _batch_rows(batch.slice(number, 1), name, before + number)
            else:
                yield SetAside.of(f"{name}:{before + 1}", "not UTF-8 text")
        return
    for number, one in enumerate(values, start=before + 1):
        yield Row(f"{name}:{number}", one)


def _hub(source: str) -> Iterator[Row | SetAside]:
    named = _HUB_NAME.fullmatch(source.removeprefix(HUB))
    if named is None:
        raise UserError(
            f"'{source}' names no data set; accepted is {HUB}owner/name, with :config and @split behind if need be"
        )
    try:
        from datasets import load_dataset
    except ImportError:
        raise UserError(f"{source} needs the library datasets: pip install 'interp-lab[data]'") from None
    try:
        stream = load_dataset(named["name"], named["config"], split=named["split"] or "train", streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{source} cannot be read from the Hub ({error})") from None
    return (Row(f"{named['name']}:{number}", dict(values)) for number, values in enumerate(stream, start=1))
