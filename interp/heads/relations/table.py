"""Relations of one's own: a UTF-8 file of tab-separated lines under the header `text head relation tail`.

Every whole-word occurrence of head and tail in the text is a mention. Lines with the same text make one document.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from interp.heads.relations.collected import Relations, gather
from interp.heads.relations.document import RelationDocument, Span, Triplet
from interp.heads.relations.text_lines import Line, text_lines
from interp.runs.errors import UserError

HEADER = ("text", "head", "relation", "tail")
NOT_FOUND = "rows whose head or tail is not in their text"
WITH_ITSELF = "rows whose head is their tail"
REPEATED = "rows that are given twice"


class _Row(NamedTuple):
    head: str
    relation: str
    tail: str


class _Group(NamedTuple):
    """The rows of one text."""

    number: int
    """Line of the first."""
    rows: list[_Row]


def read_table(path: Path, *, limit: int | None = None) -> Relations:
    """The triplets of the first `limit` texts; a document is named `file:line` after its first row.

    Raises UserError for a line that is wrong, for a file that cannot be read, or if no triplet is left.
    """
    dropped: Counter[str] = Counter()
    documents = (
        RelationDocument(f"{path.name}:{group.number}", text, tuple(_triplets(text, group.rows, dropped)))
        for text, group in islice(_groups(path).items(), limit)
    )
    return gather(documents, dropped, source=str(path))


def mentions(word: str, text: str) -> tuple[Span, ...]:
    """Every place of `word` in `text` where it is no part of a longer word."""
    return tuple(Span(*match.span()) for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text))


def _groups(path: Path) -> dict[str, _Group]:
    lines = text_lines(path)
    header = next(lines, None)
    if header is None or tuple(header.text.split("\t")) != HEADER:
        found = "nothing" if header is None else f"'{header.text}'"
        raise UserError(f"{path}, line 1: found {found}; expected the header {' '.join(HEADER)} with tabs between")
    groups: dict[str, _Group] = {}
    for line in lines:
        if line.text.strip():
            text, row = _row(line)
            groups.setdefault(text, _Group(line.number, [])).rows.append(row)
    return groups


def _row(line: Line) -> tuple[str, _Row]:
    fields = [field.strip() for field in line.text.split("\t")]
    if len(fields) != len(HEADER):
        raise UserError(f"{line.place}: found {len(fields)} tab-separated fields; expected {' '.join(HEADER)}")
    if not all(fields):
        raise UserError(f"{line.place}: the field '{HEADER[fields.index('')]}' is empty")
    text, head, relation, tail = fields
    return text, _Row(head, relation, tail)


def _triplets(text: str, rows: list[_Row], dropped: Counter[str]) -> Iterator[Triplet]:
    once = dict.fromkeys(rows)
    dropped[REPEATED] += len(rows) - len(once)
    for row in once:
        head, tail = mentions(row.head, text), mentions(row.tail, text)
        if not head or not tail:
            dropped[NOT_FOUND] += 1
        elif row.head == row.tail:
            dropped[WITH_ITSELF] += 1
        else:
            yield Triplet(head, row.relation, tail)
