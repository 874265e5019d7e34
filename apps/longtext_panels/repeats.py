"""Passages that a document has more than once: boilerplate, tables of contents, text that was pasted twice."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from training.longtext.sentences import Span

WORDS = {"en": 8, "zh": 14}
"""English words, or Chinese characters, that a passage has at least."""
_UNITS = {"en": re.compile(r"\w+"), "zh": re.compile(r"[\u3400-\u9fff]|[A-Za-z0-9]+")}


@lru_cache(maxsize=8)
def repeated_spans(text: str, language: str) -> list[Span]:
    """The longest runs of units of which every stretch of `WORDS` stands in the text more than once, rising."""
    places = [match.span() for match in _UNITS[language].finditer(text)]
    size = WORDS[language]
    if len(places) < 2 * size:
        return []
    known: dict[str, int] = {}
    numbers = np.array([known.setdefault(text[start:end].lower(), len(known)) for start, end in places])
    stretches = np.lib.stride_tricks.sliding_window_view(numbers, size)
    _, inverse, counts = np.unique(stretches, axis=0, return_inverse=True, return_counts=True)
    again = np.zeros(len(places) + 1, np.int64)
    starts = np.flatnonzero(counts[inverse.ravel()] > 1)
    np.add.at(again, starts, 1)
    np.add.at(again, np.minimum(starts + size, len(places)), -1)
    inside = np.diff(np.concatenate([[0], np.cumsum(again)[:-1] > 0, [0]]).astype(np.int8))
    ends = zip(np.flatnonzero(inside == 1), np.flatnonzero(inside == -1), strict=True)
    return [(places[first][0], places[last - 1][1]) for first, last in ends]
