"""The proof that code is unchanged.

1. Bytes: the text without the spans that were inserted is the original, character for character.
2. Tokens: without comments and with space told apart only by whether a line ends in it, two lexers (for Python:
   `tokenize`) find the same tokens in both texts. Space inside strings counts.
3. Python: the trees are equal, inserted docstrings left out (`ast.dump`, positions left out).

Independent of what chose the places are the bytes and, for languages but Python, Pygments. The others, `tokenize`, `ast`
and our scanner, also found the comments: reading the result afresh they see what an edit broke, not what they misread.
(1) alone would let pass a comment inside a template or behind a continued line, (2) and (3) alone a lost blank line.
"""

from __future__ import annotations

import ast
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, zip_longest
from typing import NamedTuple

from training.comments.c_family import LINE_END, scan
from training.comments.languages import PYTHON, Language
from training.comments.lexers import pieces
from training.comments.python_comments import documented, parse, tokens
from training.comments.source import Unreadable, lines_of, with_line_feeds

_PARTS = re.compile(r"\\\n|\s+|(?:(?!\\\n)\S)+")
"""A spliced line end, space, or anything else."""


class Cut(NamedTuple):
    """A span that is left out of a text."""

    start: int
    end: int


def without(text: str, cuts: Iterable[Cut]) -> str:
    """`text` without the spans, which do not overlap."""
    kept, at = [], 0
    for start, end in sorted(cuts):
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


def inserted_only(before: str, after: str, cuts: Sequence[Cut], language: Language) -> str | None:
    """None if `after` is `before` with comments and docstrings at `cuts` and nothing else; otherwise what differs."""
    if without(after, cuts) != before:
        return "what is left without the inserted comments is not the original"
    return difference(before, after, language, cut_after=cuts)


def difference(
    before: str, after: str, language: Language, *, cut_before: Sequence[Cut] = (), cut_after: Sequence[Cut] = ()
) -> str | None:
    """None if both texts are the same code, comments and the docstrings in the cuts apart; otherwise what differs."""
    try:
        if language.name == PYTHON:
            return _python_difference(_Text(before, cut_before), _Text(after, cut_after))
        return _token_difference(before, after, language)
    except Unreadable as error:
        return f"the result cannot be read: {error}"


class _Text:
    """Python code, and the lines of it that are cut."""

    def __init__(self, text: str, cuts: Sequence[Cut]) -> None:
        starts = [0, *accumulate(map(len, lines_of(text)))]
        self.code = with_line_feeds(text) + "\n"  # a line end more is no token, one less may be
        self._starts, self._cuts = starts, sorted(cuts)
        self._cut_starts = [cut.start for cut in self._cuts]

    def cut(self, line: int, column: int) -> bool:
        """Whether a position (line from 1, characters) lies in a cut."""
        if line > len(self._starts):
            return False
        at = self._starts[line - 1] + column
        number = bisect_right(self._cut_starts, at) - 1
        return number >= 0 and at < self._cuts[number].end

    def tokens(self) -> Iterator[tuple[int, str]]:
        """Tokens outside the cuts; the line end behind a cut docstring goes with it."""
        dropped = False
        for token in tokens(self.code):
            if token.type in (tokenize.COMMENT, tokenize.NL):
                continue
            blocks = token.type in (tokenize.INDENT, tokenize.DEDENT)
            dropped = not blocks and (self.cut(*token.start) or (dropped and token.type == tokenize.NEWLINE))
            if not dropped:
                yield token.type, token.string

    def tree(self) -> str:
        tree, lines = parse(self.code), self.code.split("\n")
        for owner in documented(tree):
            if owner.body and self._docstring_cut(owner.body[0], lines):
                owner.body = owner.body[1:]
                if owner.body and _is_string(owner.body[0]):
                    raise Unreadable("the string behind a docstring would become one")
        return ast.dump(tree)

    def _docstring_cut(self, node: ast.stmt, lines: list[str]) -> bool:
        column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
        return _is_string(node) and self.cut(node.lineno, column)


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _python_difference(before: _Text, after: _Text) -> str | None:
    if told := _first_difference(before.tokens(), after.tokens()):
        return told
    try:
        return None if before.tree() == after.tree() else "the syntax trees differ"
    except RecursionError:
        return "the syntax trees are too deep to compare"


def _first_difference(before: Iterable[tuple[int, str]], after: Iterable[tuple[int, str]]) -> str | None:
    for one, other in zip_longest(before, after):
        if one != other:
            return f"the tokens differ: {one and one[1]!r} became {other and other[1]!r}"
    return None


def _token_difference(before: str, after: str, language: Language) -> str | None:
    for tokens_of in (_by_pygments, _by_scanner):
        one, other = (_merged(tokens_of(with_line_feeds(text), language)) for text in (before, after))
        if one != other:
            return _first_difference(enumerate(one), enumerate(other))
    return None


def _merged(tokens: Iterable[str]) -> list[str]:
    """Tokens, with each run of space as one of two: with a line end in it or without; none at the ends."""
    found: list[str] = []
    for token in tokens:
        if token.strip():
            found.append(token)
        elif found and found[-1] in (" ", "\n"):
            found[-1] = "\n" if LINE_END.search(token) else found[-1]
        else:
            found.append("\n" if LINE_END.search(token) else " ")
    first, last = (found[:1] in ([" "], ["\n"])), (found[-1:] in ([" "], ["\n"]))
    return found[int(first) : len(found) - int(last)]


def _by_pygments(code: str, language: Language) -> Iterator[str]:
    for piece in pieces(code, language):
        if piece.comment:
            yield _as_space(piece.text, language)
        elif piece.literal:
            yield f'"{piece.text}'
        else:
            yield from _PARTS.findall(piece.text)


def _by_scanner(code: str, language: Language) -> Iterator[str]:
    at = 0
    for span in scan(code, language.name):
        if span.kind in ("line", "block"):
            yield from _PARTS.findall(code[at : span.start])
            yield _as_space(code[span.start : span.end], language)
            at = span.end
    yield from _PARTS.findall(code[at:])


def _as_space(comment: str, language: Language) -> str:
    """What a comment, and the space that a lexer gave to it, is to the language: JavaScript sees a line end inside."""
    inner = comment.strip()
    ends_line = language.name == "JavaScript" and inner.startswith("/*") and LINE_END.search(inner)
    return comment.replace(inner, "\n" if ends_line else " ", 1)
