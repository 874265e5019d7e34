"""Is a text English or Chinese: by the characters of a sample, and for Latin letters by the commonest words.

The paper's corpora are English or Chinese to begin with, so the test and its thresholds are ours. It is coarse on purpose:
tables, logs and garbled text are documents that shall be scored, so a text passes for English as long as nothing speaks
for another language.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

Language = Literal["en", "zh"]
LEAST_HAN = 0.3
"""Share of Han characters among the letters from which a text is Chinese; each says as much as three Latin letters."""
MOST_KANA = 0.05
"""Share of kana among the letters from which Han characters are Japanese."""
LEAST_LATIN = 0.7
"""Share of unaccented Latin letters among the letters below which a text is not English."""
LEAST_FOREIGN, LEAST_DISTINCT = 0.05, 3
"""Share of the words, and number of different ones, that another language's commonest words must reach to be one."""
_PIECES, _PIECE = 16, 2_000
_KINDS = {
    "han": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"),
    "kana": re.compile("[\u3040-\u30ff]"),
    "latin": re.compile("[A-Za-z]"),
    "letters": re.compile(r"[^\W\d_]"),
}
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {
    "en": "the of and to in is that it for was with as are this be on not by from you",
    "de": "der die und das ist nicht ein eine zu den mit von sich auf dem des für auch wird",
    "fr": "le la les et des est un une dans que qui pour pas sur au avec du ce sont par",
    "es": "el los las y que una por con para del se es como más pero sus este ha",
    "it": "il che di è un una per non con sono del della dei gli anche più nel alla",
    "pt": "o os as que um uma para com não por mais dos das ao são foi na no",
    "nl": "de het een en van is dat niet op te zijn met voor aan er ook bij",
}
"""The commonest words of English, and of languages that share its letters."""


def detect(text: str) -> Language | None:
    """The language of a text; None for one that is neither, or has no letters at all."""
    sample = _sample(text)
    counts = {kind: len(pattern.findall(sample)) for kind, pattern in _KINDS.items()}
    letters = counts["letters"]
    if not letters or counts["kana"] > MOST_KANA * letters:
        return None
    if counts["han"] >= LEAST_HAN * letters:
        return "zh"
    if counts["latin"] < LEAST_LATIN * letters:
        return None
    return "en" if _reads_english(sample) else None


def _reads_english(sample: str) -> bool:
    """Whether no other language's commonest words are more frequent in it than those of English."""
    words = Counter(word.lower() for word in _WORD.findall(sample))
    english = sum(words[word] for word in _COMMON["en"].split())
    for common in (_COMMON[name].split() for name in _COMMON if name != "en"):
        found = [words[word] for word in common if words[word]]
        if sum(found) > max(english, LEAST_FOREIGN * words.total()) and len(found) >= LEAST_DISTINCT:
            return False
    return True


def _sample(text: str) -> str:
    """Pieces from all over a long text, so that a book costs no more than a page."""
    if len(text) <= _PIECES * _PIECE:
        return text
    starts = [number * (len(text) - _PIECE) // (_PIECES - 1) for number in range(_PIECES)]
    return "\n".join(text[start : start + _PIECE] for start in starts)
