"""Comment density: characters in comments over all characters (Song et al. 2024, arXiv 2402.13013, section 3).

What the paper counts as a comment's characters is not known to us. Ours, all parameters or documented: a comment counts
without its marker (`markers` counts it whole) and the space around it, a docstring counts as its content without quotes;
line ends count as one character. Comments of Python come from `tokenize` and `ast`, of other languages from Pygments;
the family is that of BigCode's comment-to-code ratio, which left out the docstrings of async functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from training.comments.languages import PYTHON, Language
from training.comments.lexers import lexer_comments
from training.comments.python_comments import python_comments
from training.comments.source import Source, Unreadable, is_notebook, read_source, with_line_feeds
from training.comments.spans import Lexed, licence_header

_MAGIC = re.compile(r"""^[ \t]*[%!?].*|^[^#'"\n]*\?$""", re.MULTILINE)
_LONGEST_LINE = 100_000
"""Characters of a line above which a file is data or minified, and lexers may take minutes."""


class Count(NamedTuple):
    """Characters of one text."""

    characters: int
    comment: int
    """In comments and docstrings."""
    licence: int
    """Of `comment`, in a licence header."""
    header: int
    """Of `characters`, in a licence header with its markers."""

    @property
    def density(self) -> float:
        """Share of characters in comments, 0 for an empty text."""
        return self.comment / self.characters if self.characters else 0.0

    @property
    def density_without_licence(self) -> float:
        """As `density`, of the text without its licence header."""
        left = self.characters - self.header
        return (self.comment - self.licence) / left if left else 0.0


def density(text: str, language: Language, *, markers: bool = False) -> float:
    """Comment density of a text. Raises Unreadable for one that does not parse."""
    return count(text, language, markers=markers).density


def count(text: str, language: Language, *, markers: bool = False) -> Count:
    """The characters of a text by what they are. Raises Unreadable for one that does not parse."""
    code = with_line_feeds(text)
    if is_notebook(language):
        counts = [_counted(cell, _lexed_cell(cell, language), markers) for cell in _cells(code)]
        return Count(*(sum(column) for column in zip(*counts, strict=True))) if counts else Count(0, 0, 0, 0)
    if max(map(len, code.split("\n")), default=0) > _LONGEST_LINE:
        raise Unreadable(f"it has a line of over {_LONGEST_LINE:,} characters")
    return _counted(code, python_comments(code) if language.name == PYTHON else lexer_comments(code, language), markers)


def _lexed_cell(cell: str, language: Language) -> Lexed:
    """A cell whose lines for IPython are blanked, so that what is left is Python."""
    return python_comments(_MAGIC.sub(lambda found: " " * len(found.group()), cell))


def _counted(code: str, lexed: Lexed, markers: bool) -> Count:
    def size(comments: Iterable[Any]) -> int:
        return sum(one.end - one.start if markers else one.content for one in comments)

    licence = licence_header(code, lexed)
    header = sum(one.end - one.start for one in licence)
    return Count(len(code), size(lexed.comments), size(licence), header)


def _cells(text: str) -> Iterator[str]:
    """Python cells of a notebook. Raises Unreadable for JSON that is no notebook, or one of another language."""
    try:
        book = json.loads(text)
        kernel = str(book.get("metadata", {}).get("kernelspec", {}).get("language") or "python")
        cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unreadable("it is no notebook of format 4") from None
    if kernel.lower() not in ("python", "python3", "ipython"):
        raise Unreadable(f"it is a notebook of the language {kernel}")
    yield from (source for source in sources if not source.startswith("%%"))


def file_count(path: Path, language: Language, *, markers: bool = False) -> Count:
    """Characters of a file. Raises Unreadable with the reason for which it is skipped."""
    source: Source = read_source(path, language)
    return count(source.text, language, markers=markers)
