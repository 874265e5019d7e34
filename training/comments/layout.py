"""Where in a file comments are, and before which of its lines new ones may stand: Python, JavaScript, C, Java.

A comment may stand before a line that begins in plain code: in no string, comment, template or regular expression, not
behind a continued line, not before a shebang or an encoding line. A docstring may stand before the first statement of a
module, class or function that has none.
"""

from __future__ import annotations

import ast
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

from training.comments.c_family import scan
from training.comments.languages import PYTHON
from training.comments.python_comments import docstrings, documented, parse, tokens
from training.comments.source import Source, Unreadable, lines_of, with_line_feeds

ENCODING_LINE = re.compile(r"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")
"""What Python takes for a declaration of the encoding on the first two lines (PEP 263)."""


class Comment(NamedTuple):
    """A comment or docstring of the text."""

    start: int
    end: int
    docstring: bool = False


class Layout(NamedTuple):
    """What is where in a text."""

    lines: list[str]
    """With their ends."""
    open: list[bool]
    """For each line, whether a comment may stand before it."""
    bodies: frozenset[int]
    """Lines, from 0, before which a docstring may stand."""
    comments: list[Comment]
    """In their order; without shebang and encoding line, and without docstrings that something rests on."""

    def starts(self) -> list[int]:
        """Offset of each line."""
        return [0, *accumulate(map(len, self.lines))][:-1]


def layout(source: Source) -> Layout:
    """The layout of a source. Raises Unreadable for a text that could be read in two ways, or is none of its language."""
    text = source.text
    if "\r" in text and "\r" in text.replace("\r\n", ""):
        raise Unreadable("it has carriage returns that end no line, or lines end in two ways")
    return _python(text) if source.language.name == PYTHON else _c_family(text, source.language.name)


def _c_family(text: str, language: str) -> Layout:
    lines = lines_of(text)
    starts = [0, *accumulate(map(len, lines))][:-1]
    spans = scan(text, language)
    closed: set[int] = set()
    for span in spans:
        first, last = bisect_right(starts, span.start), bisect_right(starts, span.end)
        closed.update(range(first, last))
    if text.startswith("#!"):
        closed.add(0)
    comments = [Comment(span.start, span.end) for span in spans if span.kind in ("line", "block")]
    return Layout(lines, _open(lines, closed), frozenset(), comments)


def _open(lines: list[str], closed: Iterable[int]) -> list[bool]:
    shut = set(closed)
    return [number not in shut and bool(line.strip()) for number, line in enumerate(lines)]


def _python(text: str) -> Layout:
    lines = lines_of(text)
    code = with_line_feeds(text)
    tree, found = parse(code), tokens(code)
    head = _head(lines)
    closed = set(range(head)) | _inside(found)
    closed |= {number + 1 for number, line in enumerate(lines) if line.rstrip("\r\n").endswith("\\")}
    starts = [0, *accumulate(map(len, lines))]
    comments = [
        Comment(starts[token.start[0] - 1] + token.start[1], starts[token.end[0] - 1] + token.end[1])
        for token in found
        if token.type == tokenize.COMMENT and token.start[0] > head
    ]
    comments += _removable(tree, lines, starts)
    opened = _open(lines, closed)
    bodies = frozenset(number for number in _bodies(tree, lines) if opened[number])
    return Layout(lines, opened, bodies, sorted(comments))


def _head(lines: list[str]) -> int:
    """How many first lines must stay the first ones: a shebang, and what is before an encoding line, itself included."""
    count = 1 if lines and lines[0].startswith("#!") else 0
    for number, line in enumerate(lines[:2]):
        if ENCODING_LINE.match(line):
            return number + 1
        if line.strip() and not line.lstrip().startswith("#"):
            break
    return count


def _inside(found: list[tokenize.TokenInfo]) -> set[int]:
    """Lines that begin inside a string; from Python 3.12 an f-string is many tokens."""
    lines: set[int] = set()
    opened: list[int] = []
    for token in found:
        name = tokenize.tok_name[token.type]
        if name.endswith("STRING_START"):
            opened.append(token.start[0])
        elif name.endswith("STRING_END"):
            lines.update(range(opened.pop(), token.end[0]))
        elif token.type == tokenize.STRING:
            lines.update(range(token.start[0], token.end[0]))
    return lines


def _bodies(tree: ast.Module, lines: list[str]) -> set[int]:
    """Lines on which the body of something without a docstring begins."""
    with_one = {id(one.owner) for one in docstrings(tree)}
    found = set()
    for owner in documented(tree):
        if owner.body and id(owner) not in with_one:
            first = owner.body[0]
            decorators = getattr(first, "decorator_list", [])
            number = min([first.lineno, *(one.lineno for one in decorators)]) - 1
            column = min([first.col_offset, *(one.col_offset - 1 for one in decorators)])
            if not lines[number].encode()[:column].strip():
                found.add(number)
    return found


def _removable(tree: ast.Module, lines: list[str], starts: list[int]) -> list[Comment]:
    """Docstrings with lines to themselves, in a body that stands without them and gets no new docstring thereby."""
    found = []
    for owner, node, _ in docstrings(tree):
        rest = owner.body[1:]
        if (rest and _is_string(rest[0])) or not (rest or isinstance(owner, ast.Module)):
            continue
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before = len(lines[first].encode()[: node.col_offset].decode())
        behind = len(lines[last].encode()[: node.end_col_offset].decode())
        continued = first > 0 and lines[first - 1].rstrip("\r\n").endswith("\\")
        if not lines[first][:before].strip() and not lines[last][behind:].split("#")[0].strip() and not continued:
            found.append(Comment(starts[first] + before, starts[last] + behind, docstring=True))
    return found


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
