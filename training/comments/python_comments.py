"""Comments and docstrings of Python: comments by `tokenize`, docstrings by `ast`, those of async functions included."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from training.comments.source import Unreadable
from training.comments.spans import Comment, Lexed

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")


class Docstring(NamedTuple):
    """One docstring and what it documents."""

    owner: Documented
    node: ast.Expr
    value: str


def parse(code: str) -> ast.Module:
    """The tree of `code`, whose line ends are line feeds. Raises Unreadable where Python refuses it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except SyntaxError as error:
        raise Unreadable(f"it is no Python that parses ({error.msg}, line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"it is no Python that parses ({error or 'nested too deeply'})") from None


def tokens(code: str) -> list[tokenize.TokenInfo]:
    """The tokens of `code`. Raises Unreadable."""
    try:
        return list(tokenize.generate_tokens(io.StringIO(code, newline="\n").readline))
    except (tokenize.TokenError, SyntaxError) as error:
        raise Unreadable(f"it is no Python that can be split into tokens ({error.args[0]})") from None


def documented(tree: ast.Module) -> Iterator[Documented]:
    """Whatever may have a docstring. Only statements hold such things, so expressions are not looked at."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, Documented):
            yield node
        for name in _BODIES:
            left += getattr(node, name, ())


def docstrings(tree: ast.Module) -> Iterator[Docstring]:
    """All docstrings, in no particular order."""
    for owner in documented(tree):
        first = owner.body[0] if owner.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield Docstring(owner, first, first.value.value)


class Offsets:
    """Positions of `ast` (line from 1, bytes of UTF-8) and of `tokenize` (line, characters) as offsets into the text."""

    def __init__(self, code: str) -> None:
        self._lines = code.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def of_character(self, line: int, column: int) -> int:
        """Offset of a position of `tokenize`."""
        return self._starts[line - 1] + column

    def of_byte(self, line: int, column: int) -> int:
        """Offset of a position of `ast`."""
        text = self._lines[line - 1]
        return self._starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Begin and end of a node."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.of_byte(node.lineno, node.col_offset), self.of_byte(end_line, end_column)


def python_comments(code: str) -> Lexed:
    """Comments and docstrings of `code`, whose line ends are line feeds, in their order. Raises Unreadable."""
    tree, offsets = parse(code), Offsets(code)
    found = [Comment(*offsets.span(one.node), len(one.value.strip()), "docstring") for one in docstrings(tree)]
    if "#" in code:
        for kind, text, (line, column), _, _ in tokens(code):
            if kind == tokenize.COMMENT and not text.startswith("#!"):
                start = offsets.of_character(line, column)
                found.append(Comment(start, start + len(text), len(text.lstrip("#").strip()), "comment"))
    first = offsets.span(tree.body[0])[0] if tree.body else len(code)
    return Lexed(sorted(found), first)
