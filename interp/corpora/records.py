"""Documents of a user's corpus: an id, a text, and the metadata that comes with them.

Ids are unique: the second row of an id is set aside. What is remembered of an id is a hash of 8 bytes, so that two ids
of a million are taken for one with a chance of three in a hundred million.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from interp.corpora.rows import Row, SetAside, is_text, rows
from interp.runs.errors import UserError

_PROBED = 1000
"""Rows after which a column that none of them had counts as missing."""


class Record(NamedTuple):
    """One document."""

    id: str
    """From the id column; where there is none, the document's place."""
    text: str
    metadata: dict[str, Any]
    """All other columns."""
    place: str
    """File and line or row, from 1."""


def read_records(source: str, *, text_column: str = "text", id_column: str = "id") -> Iterator[Record | SetAside]:
    """The documents of a file, a folder or `hf:owner/name` in their order, between them what was set aside.

    Raises UserError if there is no such source, it has no text column, or holds no document at all.
    """
    seen: set[bytes] = set()
    first: SetAside | None = None
    for found in _texts(rows(source), source, text_column, id_column):
        if isinstance(found, Record):
            key = blake2b(found.id.encode(), digest_size=8).digest()
            if key in seen:
                found = SetAside.of(found.place, f"the id '{found.id}' was there before", found.text)
            seen.add(key)
        first = first or (found if isinstance(found, SetAside) else None)
        yield found
    if not seen:
        why = f": everything was set aside, first {first.place} ({first.reason})" if first else ": it is empty"
        raise UserError(f"{source} holds no document{why}")


def _texts(found: Iterator[Row | SetAside], source: str, text_column: str, id_column: str) -> Iterator[Record | SetAside]:
    """Rows as records; refuses a source none of whose first rows has the text column."""
    columns: set[str] = set()
    had, count = False, 0
    for one in found:
        if isinstance(one, SetAside):
            yield one
            continue
        had, count = had or text_column in one.values, count + 1
        if not had:
            columns |= one.values.keys()
        if not had and count == _PROBED:
            break
        yield _record(one, text_column, id_column)
    if count and not had:
        listed = ", ".join(sorted(columns)[:20]) or "none"
        raise UserError(f"{source} has no column '{text_column}'; its columns are {listed}")


def _record(row: Row, text_column: str, id_column: str) -> Record | SetAside:
    metadata = dict(row.values)
    text, name = metadata.pop(text_column, None), metadata.pop(id_column, None)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not isinstance(text, str):
        kind = "nothing" if text is None else f"no text but {type(text).__name__}"
        return SetAside.of(row.place, f"'{text_column}' holds {kind}", row.values)
    if not is_text(text) or not is_text(str(name)):
        return SetAside.of(row.place, "not UTF-8 text", text)
    if not text.strip():
        return SetAside.of(row.place, f"'{text_column}' is empty", row.values)
    return Record(row.place if name is None or name == "" else str(name), text, metadata, row.place)
