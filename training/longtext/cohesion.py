"""Cohesion by pronouns and connectives (LongWanjuan's code, cohesion/get_pron_conn_score.py).

English: words are NLTK's tokens of the text in lower case. Cohesion_pron is the share of them that are pronouns; for
Cohesion_conn the code has no English list, and ours is the number of connectives a word, each matched as whole words,
white space between its words whatever it is, the longest that fits at a place, none inside another.

Chinese: pronouns of two characters are matched and blanked before those of one; connectives are counted as substrings,
one inside another as well. Both are the characters of the matches over those of the text: the code stores the sum alone,
and the division is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from jaxtyping import Int, UInt32
from numba import njit

from training.longtext.characters import SPACE, WORD, codes_of, flags, lowered
from training.longtext.lexicons import lexicon, lexicon_trie
from training.longtext.sentences import Span
from training.longtext.tries import advance

_BLANK = np.uint32(ord(" "))


def rate(counts: Mapping[str, int], words: int) -> float:
    """Cohesion_pron and Cohesion_conn of an English text: occurrences a word. Raises ValueError for no words."""
    if not words:
        raise ValueError("a text without words has no rate of them")
    return sum(counts.values()) / words


def coverage(counts: Mapping[str, int], characters: int) -> float:
    """Cohesion_pron and Cohesion_conn of a Chinese text: characters of the matches over those of the text.

    Matches in matches count twice, so it can exceed 1. Raises ValueError for an empty text.
    """
    if not characters:
        raise ValueError("an empty text has no coverage")
    return sum(len(entry) * count for entry, count in counts.items()) / characters


def english_connectives(low: UInt32[np.ndarray, " character"]) -> dict[str, int]:
    """How often each connective occurs in a text in lower case; those that do not are left out."""
    return _named(_english(low, flags(), *lexicon_trie("connectives", "en"))[1], lexicon("connectives", "en"))


def chinese_connectives(codes: UInt32[np.ndarray, " character"]) -> dict[str, int]:
    """How often each connective occurs in a text, as `str.count` counts."""
    return _named(_substrings(codes, *lexicon_trie("connectives", "zh")), lexicon("connectives", "zh"))


def chinese_pronouns(codes: UInt32[np.ndarray, " character"]) -> dict[str, int]:
    """How often each pronoun occurs in a text, those of two characters first."""
    return _named(_longest_first(codes, *lexicon_trie("pronouns", "zh"))[1], lexicon("pronouns", "zh"))


def _named(counts: Int[np.ndarray, " entry"], entries: tuple[str, ...]) -> dict[str, int]:
    return {entries[number]: int(counts[number]) for number in np.flatnonzero(counts)}


def connective_spans(text: str, language: Literal["en", "zh"]) -> list[Span]:
    """Where connectives stand, for showing them; in Chinese, the longest at each place."""
    if language == "en":
        return _pairs(_english(codes_of(lowered(text)), flags(), *lexicon_trie("connectives", "en"))[0])
    return _pairs(_longest_first(codes_of(text), *lexicon_trie("connectives", "zh"))[0])


def pronoun_spans(text: str, language: Literal["en", "zh"]) -> list[Span]:
    """Where pronouns stand, for showing them: English words between other characters, apostrophes included."""
    if language == "en":
        return _pairs(_english(codes_of(lowered(text)), flags(), *lexicon_trie("pronouns", "en"))[0])
    return _pairs(_longest_first(codes_of(text), *lexicon_trie("pronouns", "zh"))[0])


def _pairs(spans: Int[np.ndarray, "match 2"]) -> list[Span]:
    return [(int(start), int(end)) for start, end in spans]


@njit(cache=True)
def _english(low, table, alphabet, step, ends):
    """Places of the entries as whole words, the longest at each place, and their counts."""
    spans, counts = np.empty((len(low), 2), np.int64), np.zeros(ends.max() + 1, np.int64)
    found, at, last = 0, 0, len(low)
    while at < last:
        if not table[low[at]] & WORD:
            at += 1
            continue
        entry, end = _longest_words(low, at, table, alphabet, step, ends)
        if entry >= 0:
            spans[found, 0], spans[found, 1] = at, end
            counts[entry] += 1
            found += 1
            at = end
        while at < last and table[low[at]] & WORD:
            at += 1
    return spans[:found].copy(), counts


@njit(cache=True)
def _longest_words(low, at, table, alphabet, step, ends):
    """The longest entry that begins at `at` and ends with a word, and its end; -1 for none."""
    node, entry, end, last = 0, -1, at, len(low)
    while at < last:
        if table[low[at]] & SPACE:
            node = advance(node, _BLANK, alphabet, step)
            while at < last and table[low[at]] & SPACE:
                at += 1
        else:
            node = advance(node, low[at], alphabet, step)
            at += 1
        if node == 0:
            break
        if ends[node] >= 0 and (at == last or not table[low[at]] & WORD):
            entry, end = ends[node], at
    return entry, end


@njit(cache=True)
def _substrings(codes, alphabet, step, ends):
    """Occurrences of every entry, those of one entry without overlap."""
    counts, free = np.zeros(ends.max() + 1, np.int64), np.zeros(ends.max() + 1, np.int64)
    for start in range(len(codes)):
        node, at = 0, start
        while at < len(codes):
            node = advance(node, codes[at], alphabet, step)
            if node == 0:
                break
            at += 1
            entry = ends[node]
            if entry >= 0 and free[entry] <= start:
                counts[entry] += 1
                free[entry] = at
    return counts


@njit(cache=True)
def _longest_first(codes, alphabet, step, ends):
    """Places of the entries, the longest at each place, and their counts."""
    spans, counts = np.empty((len(codes), 2), np.int64), np.zeros(ends.max() + 1, np.int64)
    found = start = 0
    while start < len(codes):
        node, at, entry, end = 0, start, -1, start + 1
        while at < len(codes):
            node = advance(node, codes[at], alphabet, step)
            if node == 0:
                break
            at += 1
            if ends[node] >= 0:
                entry, end = ends[node], at
        if entry >= 0:
            spans[found, 0], spans[found, 1] = start, end
            counts[entry] += 1
            found += 1
        start = end
    return spans[:found].copy(), counts
