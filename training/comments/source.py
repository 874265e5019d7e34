"""Source files as they lie on disk: bytes that decode to text and encode back to the same bytes, or a reason why not."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

from training.comments.languages import NOTEBOOK, PYTHON, Language

LARGEST = 2_000_000
"""Bytes above which a file is no code that people write; skipped (our choice)."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")


class Unreadable(Exception):
    """Why a file is skipped: a clause of a sentence."""


class Source(NamedTuple):
    """A file's text and how to make its bytes again."""

    text: str
    """Line ends as they are in the file; the byte order mark left out."""
    language: Language
    encoding: str = "utf-8"
    mark: bytes = b""
    """The byte order mark."""

    def encoded(self, text: str) -> bytes:
        """`text` as this file would hold it. Raises UnicodeEncodeError if its encoding has no such characters."""
        return self.mark + text.encode(self.encoding)


def read_source(path: Path, language: Language, *, largest: int = LARGEST) -> Source:
    """A file's text. Raises Unreadable for one that is too large, binary, or not in the encoding that it claims."""
    try:
        if (size := path.stat().st_size) > largest:
            raise Unreadable(f"it has {size:,} bytes, over {largest:,}")
        return decode(path.read_bytes(), language)
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror})") from None


def decode(content: bytes, language: Language) -> Source:
    """Bytes as text: Python by its encoding line, all else as UTF-8. Raises Unreadable."""
    if b"\0" in content:
        raise Unreadable("it is binary: it has zero bytes")
    mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    encoding = _python_encoding(content) if language.name == PYTHON else "utf-8"
    body = content[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not {encoding} text ({error.reason} at byte {error.start + len(mark)})") from None
    except (LookupError, UnicodeError):  # of `undefined` and `idna`, which are for other things than files
        raise Unreadable(f"its encoding, {encoding}, is none of text") from None
    source = Source(text, language, encoding, mark)
    if not _encodes_to(source, content):
        raise Unreadable(f"its {encoding} text does not encode to the same bytes")
    return source


def _encodes_to(source: Source, content: bytes) -> bool:
    try:
        return source.encoded(source.text) == content
    except UnicodeError:
        return False


def _python_encoding(content: bytes) -> str:
    try:
        found = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    except (SyntaxError, UnicodeDecodeError) as error:
        raise Unreadable(f"its encoding cannot be told ({error})") from None
    return "utf-8" if found == "utf-8-sig" else found


def with_line_feeds(text: str) -> str:
    """`text` with every line end as a line feed, as Python and lexers read it."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def lines_of(text: str) -> list[str]:
    """Lines with their ends (CRLF, LF or CR, and no others): joined they are `text`."""
    return _LINE.findall(text)


def is_notebook(language: Language) -> bool:
    """Whether code lies in the cells of a JSON file."""
    return language.name == NOTEBOOK
