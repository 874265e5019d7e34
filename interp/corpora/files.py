"""A text of the user's: `.txt`, cut at blank lines into pieces of some thousand characters, or `.jsonl`.

A line of `.jsonl` is an object with `text`, and `source` if lines that belong together should be held out together;
`sampled_document`, of a resampled corpus, goes before it, as there a source is often a whole domain of the corpus. Pieces
and lines without either are sources of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from interp.corpora.document import Document
from interp.runs.errors import UserError

_PIECE = 4_000
SUFFIXES = (".txt", ".jsonl")
"""Kinds of files that are read."""
SAMPLED_DOCUMENT = "sampled_document"
"""Column with the document that a line of a resampled corpus repeats."""


def file_documents(path: Path) -> Iterator[Document]:
    """The documents of a file in their order. Raises UserError for a file that cannot be read, or a line that is none."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path} is no text we read; accepted are {', '.join(SUFFIXES)} files")
    try:
        with path.open(encoding="utf-8") as lines:
            yield from _pieces(path.name, lines) if path.suffix == ".txt" else _objects(path, lines)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from None


def _pieces(name: str, lines: Iterator[str]) -> Iterator[Document]:
    held: list[str] = []
    count = 0
    for line in lines:
        held.append(line)
        if not line.strip() and sum(map(len, held)) >= _PIECE:
            count += 1
            yield Document(f"{name}:{count}", f"{name}:{count}", "".join(held).strip())
            held = []
    if "".join(held).strip():
        yield Document(f"{name}:{count + 1}", f"{name}:{count + 1}", "".join(held).strip())


def _objects(path: Path, lines: Iterator[str]) -> Iterator[Document]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            text = entry["text"]
        except (ValueError, KeyError, TypeError):
            text = None
        if not isinstance(text, str):
            raise UserError(f"{path}, line {number}: expected an object with a string 'text'")
        name = f"{path.name}:{number}"
        yield Document(str(entry.get(SAMPLED_DOCUMENT, entry.get("source", name))), name, text)
