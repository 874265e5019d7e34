"""Where comments are in a text, and which of them are a licence header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

Kind = Literal["comment", "docstring"]
_LICENCE = re.compile(r"copyright|licen[cs]e|\bspdx\b|all rights reserved|\(c\)\s+\d{4}|©", re.IGNORECASE)


class Comment(NamedTuple):
    """One comment or docstring."""

    start: int
    """Offset of its marker."""
    end: int
    content: int
    """Characters without markers or quotes and the space around them."""
    kind: Kind


class Lexed(NamedTuple):
    """All comments of a text."""

    comments: list[Comment]
    """In their order."""
    code: int
    """Offset at which code begins: what is before are comments, a shebang, and blank lines."""


def licence_header(text: str, lexed: Lexed) -> list[Comment]:
    """The comments before all code that are about copyright.

    Comments on lines that follow each other are one block, and a block counts as a whole.
    """
    before = [comment for comment in lexed.comments if comment.end <= lexed.code and comment.kind == "comment"]
    found: list[Comment] = []
    for block in _blocks(text, before):
        if _LICENCE.search(text, block[0].start, block[-1].end):
            found += block
    return found


def _blocks(text: str, comments: Sequence[Comment]) -> Iterator[list[Comment]]:
    block: list[Comment] = []
    for comment in comments:
        if block and text.count("\n", block[-1].end, comment.start) > 1:
            yield block
            block = []
        block.append(comment)
    if block:
        yield block
