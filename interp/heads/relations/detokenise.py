"""Texts out of tokens, with the place of each token.

Corpora such as AGENDA come in the tokens of the Penn Treebank, all apart: `-lrb-` for a bracket, `''` for a quotation
mark on either side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from interp.heads.relations.document import Span

_BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}
_QUOTES = {"``", "''", '"'}
_TO_THE_LEFT = {*".,:;?!%)]}'", "'s", "n't", "'re", "'ve", "'ll", "'d", "'m"}
_TO_THE_RIGHT = {*"([{`$"}


class Written(NamedTuple):
    """A text and the place of each of its tokens."""

    text: str
    spans: tuple[Span, ...]


def spaced(tokens: Sequence[str]) -> Written:
    """Every token between single spaces, brackets and quotation marks as one writes them."""
    return _join([(_plain(token), True) for token in tokens])


def detokenised(tokens: Sequence[str]) -> Written:
    """As one writes: no space before a full stop or after an opening bracket."""
    return _join(list(_with_spaces(tokens)))


def _plain(token: str) -> str:
    return '"' if token in _QUOTES else _BRACKETS.get(token.lower(), token)


def _with_spaces(tokens: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Tokens, and whether a space goes before each. Quotation marks open and close in turn."""
    quoted, glued = False, True
    for token in map(_plain, tokens):
        closing = token in _TO_THE_LEFT or (token == '"' and quoted)
        yield token, not (glued or closing)
        quoted ^= token == '"'
        glued = token in _TO_THE_RIGHT or (token == '"' and quoted)


def _join(pieces: Sequence[tuple[str, bool]]) -> Written:
    text, spans = "", []
    for piece, apart in pieces:
        text += " " if apart and text else ""
        spans.append(Span(len(text), len(text) + len(piece)))
        text += piece
    return Written(text, tuple(spans))
