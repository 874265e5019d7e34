"""Comments of all languages but Python: of JavaScript, C and Java by our scanner, of the others by Pygments.

What our scanner refuses is refused, but for JavaScript with JSX, which it does not know: there Pygments counts.

Doc comments that a lexer takes for strings (Rust's `///`) count; preprocessor lines and shebangs, which Pygments
puts among the comments, do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from training.comments.c_family import SCANNED, scan
from training.comments.languages import Language, lexer
from training.comments.source import Unreadable
from training.comments.spans import Comment, Lexed

_OPENER = re.compile(r"/\*+!?|//+!?|#=|#+|--+(?:\[=*\[)?|<!--|=(?:begin|pod|head\d|over|item)\b|!+|\"{3}|'{3}|\(\*")
_JSX = re.compile(r"</[\w.:-]*\s*>|<[A-Za-z][^<>]*/>")
"""The end of an element."""
_CLOSER = re.compile(r"(?:\*+/|-->|\n=(?:end|cut)|=#|\]=*\]|\"{3}|'{3}|\*\))\Z")
_HEADS = ("", "<?php")
"""Tokens that code does not begin with."""


class Piece(NamedTuple):
    """One token of Pygments."""

    start: int
    text: str
    comment: bool
    shebang: bool
    literal: bool
    """A string or part of one: space in it counts."""


def pieces(code: str, language: Language) -> Iterator[Piece]:
    """The tokens of `code`, whose line ends are line feeds; joined they are `code`, its last line ended."""
    lex: Any = lexer(language.lexer)  # which says what is missing without Pygments
    from pygments.token import Comment as Comments
    from pygments.token import String

    # Some lexers know no comment on a last line that does not end.
    for start, kind, text in lex.get_tokens_unprocessed(code if code.endswith("\n") else f"{code}\n"):
        shebang = kind in Comments.Hashbang or (start == 0 and text.startswith("#!"))
        preprocessor = kind in Comments.Preproc or kind in Comments.PreprocFile
        comment = (kind in Comments and not preprocessor and not shebang) or kind in String.Doc
        yield Piece(start, text, comment, shebang, kind in String and not comment)


def lexer_comments(code: str, language: Language) -> Lexed:
    """Comments of `code`, whose line ends are line feeds, in their order.

    Where our own scanner reads the language it goes before Pygments, to which `#define URL "http://a"` has a comment.
    Raises Unreadable for what the scanner refuses, without JSX.
    """
    if language.name not in SCANNED:
        return _by_pygments(code, language)
    try:
        found = [(span.start, span.end) for span in scan(code, language.name) if span.kind in ("line", "block")]
    except Unreadable:
        if language.name == "JavaScript" and _JSX.search(code):
            return _by_pygments(code, language)
        raise
    return Lexed([_comment(code, start, end) for start, end in found], _first_code(code, found))


def _first_code(code: str, comments: list[tuple[int, int]]) -> int:
    at = len(code.split("\n", 1)[0]) if code.startswith("#!") else 0
    for start, end in comments:
        if code[at:start].strip():
            break
        at = end
    return at + len(code[at:]) - len(code[at:].lstrip())


def _by_pygments(code: str, language: Language) -> Lexed:
    found: list[tuple[int, int]] = []
    begin = len(code)
    for piece in pieces(code, language):
        end = piece.start + len(piece.text)
        if piece.comment and found and found[-1][1] == piece.start and code[piece.start - 1] != "\n":
            found[-1] = found[-1][0], end  # some lexers cut comments into tokens: `/*`, ` a /*`, ` b `, ...
        elif piece.comment:
            found.append((piece.start, end))
        elif begin == len(code) and not piece.shebang and piece.text.strip() not in _HEADS:
            begin = piece.start
    return Lexed([_comment(code, start, end) for start, end in found if code[start:end].strip()], begin)


def _comment(code: str, start: int, end: int) -> Comment:
    """Without the indentation and the line end that some lexers give to a comment."""
    text = code[start:end].strip()
    start += code[start:end].index(text)
    return Comment(start, start + len(text), len(content(text)), "comment")


def content(comment: str) -> str:
    """What a comment says: its text without markers and the space around it."""
    opener = _OPENER.match(comment)
    inner = comment[opener.end() :] if opener else comment
    closer = _CLOSER.search(inner)
    return (inner[: closer.start()] if closer else inner).strip()
