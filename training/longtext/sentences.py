"""Sentences and paragraphs of English and Chinese, with their places.

English (our rules; the paper's code leaves it to NLTK's and LTP's models): a sentence ends behind `.`, `!`, `?` or `…` and
closing quotes or brackets, where white space follows and then no lower-case letter, and at every blank line. A single
full stop ends none behind a single letter or an abbreviation of `lexicons/abbreviations_en.txt`. Chinese: behind
`。！？…；!?` and closing marks, and at every line's end.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt16, UInt32
from numba import njit

from training.longtext.characters import LOWER, SPACE, WORD, codes_of, flags, lowered
from training.longtext.lexicons import Trie, lexicon_trie
from training.longtext.tries import entry_at, one_of

Span = tuple[int, int]
_CHINESE = re.compile(r"[^\n]*?(?:[。！？…；!?]+[”’』」）)\"']*|(?=\n)|\Z)")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_STOP, _NEWLINE = ord("."), ord("\n")
_ENDERS = np.array([ord(one) for one in ".!?…"], np.uint32)
_CLOSERS = np.array([ord(one) for one in "\"'”’»)]}"], np.uint32)


def sentences(text: str, language: Literal["en", "zh"] = "en") -> list[Span]:
    """Start and end of every sentence, white space around it left out."""
    if language == "zh":
        found = (_trimmed(text, match.start(), match.end()) for match in _CHINESE.finditer(text))
        return [span for span in found if span[0] < span[1]]
    return [(int(start), int(end)) for start, end in english_sentences(codes_of(lowered(text)), codes_of(text))]


def paragraphs(text: str, unit: Literal["lines", "blocks"] = "lines") -> list[str]:
    """Lines that are not blank; or what stands between blank lines, for text that is wrapped."""
    pieces = text.split("\n") if unit == "lines" else _BLANK_LINE.split(text)
    return [piece for piece in pieces if piece.strip()]


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def english_sentences(
    low: UInt32[np.ndarray, " character"], original: UInt32[np.ndarray, " character"]
) -> Int[np.ndarray, "sentence 2"]:
    """The places of a text given in lower case and as it is."""
    table, abbreviations = flags(), lexicon_trie("abbreviations", "en")
    return _spans(low, original, table, abbreviations)


def _spans(
    low: UInt32[np.ndarray, " character"], original: UInt32[np.ndarray, " character"],
    table: UInt16[np.ndarray, " code"], abbreviations: Trie,
) -> Int[np.ndarray, "sentence 2"]:  # fmt: skip
    none = np.empty((0, 2), np.int64)
    found = np.empty((_english(low, original, table, *abbreviations, none), 2), np.int64)
    _english(low, original, table, *abbreviations, found)
    return found


@njit(cache=True)
def _english(low, original, table, alphabet, step, ends, spans):
    """Write the spans that `spans` has room for; return how many there are."""
    count, start, at, last = 0, -1, 0, len(low)
    while at < last:
        if table[low[at]] & SPACE:
            after, blank = _over_space(low, at, table)
            if start >= 0 and (blank or _ends_sentence(low, original, start, at, after, table, alphabet, step, ends)):
                count, start = _close(spans, count, start, at), -1
            at = after
        else:
            start = at if start < 0 else start
            at += 1
    if start >= 0:
        while table[low[last - 1]] & SPACE:
            last -= 1
        count = _close(spans, count, start, last)
    return count


@njit(cache=True)
def _close(spans, count, start, end):
    if count < len(spans):
        spans[count, 0], spans[count, 1] = start, end
    return count + 1


@njit(cache=True)
def _over_space(low, at, table):
    """Where the white space ends, and whether it holds a blank line."""
    lines = 0
    while at < len(low) and table[low[at]] & SPACE:
        lines += low[at] == _NEWLINE
        at += 1
    return at, lines > 1


@njit(cache=True)
def _ends_sentence(low, original, start, end, after, table, alphabet, step, ends):
    """Whether a sentence that began at `start` ends at the white space [end, after)."""
    if after < len(low) and table[original[after]] & LOWER:
        return False
    at = end
    while at > start and one_of(low[at - 1], _CLOSERS):
        at -= 1
    enders = at
    while at > start and one_of(low[at - 1], _ENDERS):
        at -= 1
    if at == enders:
        return False
    if enders - at > 1 or low[at] != _STOP:
        return True
    word = at
    while word > start and (table[low[word - 1]] & WORD or low[word - 1] == _STOP):
        word -= 1
    return not (at - word == 1 or entry_at(low, word, at, alphabet, step, ends) >= 0)
