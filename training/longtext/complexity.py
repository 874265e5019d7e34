"""Complexity: type-token ratio, and the lengths of lines (LongWanjuan's code, complexity/*.py).

The code stores a dozen figures of a document's lines; which of them the paper's Complexity_para is, it does not say. Ours
is the mean length of the lines that are not blank, in words for English and characters for Chinese.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, UInt32
from numba import njit

from training.longtext.characters import SPACE, flags

Average = Literal["mean", "median"]
WINDOW = 1_000
"""Tokens of a window of the moving-average type-token ratio."""
_MARKS = np.array([ord(one) for one in "\n, |，"], np.uint32)


class LineStatistics(NamedTuple):
    """Of the lines that are not blank, lengths in characters; densities are shares of the text's characters."""

    lines: int
    mean: float
    std: float
    median: float
    longest: int
    shortest: int
    newlines: float
    commas: float
    """Chinese counts the full-width comma as well."""
    spaces: float
    bars: float


def type_token_ratio(tokens: Int[np.ndarray, " token"]) -> float:
    """Distinct tokens over all tokens (`dedu_rate` in LongWanjuan's code). Raises ValueError for no tokens."""
    if not len(tokens):
        raise ValueError("a text without tokens has no type-token ratio")
    return len(np.unique(tokens)) / len(tokens)


def moving_type_token_ratio(tokens: Int[np.ndarray, " token"], window: int = WINDOW) -> float:
    """Mean type-token ratio of all windows of so many tokens (MATTR: Covington and McFall 2010).

    Unlike the plain ratio it does not fall with the length of a text; a text shorter than a window is one window.
    """
    if len(tokens) <= window:
        return type_token_ratio(tokens)
    numbers = np.unique(tokens, return_inverse=True)[1]
    return float(_distinct(numbers, window).mean() / window)


@njit(cache=True)
def _distinct(numbers, window):
    counts = np.zeros(numbers.max() + 1, np.int64)
    found = np.empty(len(numbers) - window + 1, np.int64)
    distinct = 0
    for place in range(len(numbers)):
        counts[numbers[place]] += 1
        distinct += counts[numbers[place]] == 1
        if place >= window:
            counts[numbers[place - window]] -= 1
            distinct -= counts[numbers[place - window]] == 0
        if place + 1 >= window:
            found[place + 1 - window] = distinct
    return found


def line_statistics(codes: UInt32[np.ndarray, " character"], language: Literal["en", "zh"] = "en") -> LineStatistics:
    """Statistics of a text's lines, which end at line feeds. Raises ValueError for a text that is blank."""
    lengths, marks = _lines(codes, flags(), _MARKS)
    if not len(lengths):
        raise ValueError("a blank text has no lines")
    newlines, commas, spaces, bars, wide = (marks / len(codes)).tolist()
    return LineStatistics(
        len(lengths), float(lengths.mean()), float(lengths.std()), float(np.median(lengths)), int(lengths.max()),
        int(lengths.min()), newlines, commas + wide * (language == "zh"), spaces, bars,
    )  # fmt: skip


@njit(cache=True)
def _lines(codes, table, listed):
    """Lengths of the lines that are not blank, and how often each listed character occurs."""
    lengths, marks = np.empty((codes == listed[0]).sum() + 1, np.int64), np.zeros(len(listed), np.int64)
    count, start, blank = 0, 0, True
    for at in range(len(codes) + 1):
        if at < len(codes):
            for number in range(len(listed)):
                marks[number] += codes[at] == listed[number]
            blank = blank and table[codes[at]] & SPACE
        if at == len(codes) or codes[at] == listed[0]:
            if not blank:
                lengths[count] = at - start
                count += 1
            start, blank = at + 1, True
    return lengths[:count], marks


def paragraph_length(lengths: Sequence[float] | Int[np.ndarray, " paragraph"], average: Average = "mean") -> float:
    """Complexity_para from the lengths of the paragraphs, in words or characters. Raises ValueError for none."""
    if not len(lengths):
        raise ValueError("a blank text has no paragraphs")
    return float(np.mean(lengths) if average == "mean" else np.median(lengths))
