"""Words: NLTK's word tokens for English, counted by one compiled pass; for Chinese those of jieba.

LongWanjuan's code tokenizes lower-cased English with NLTK. `NLTKWordTokenizer` is twenty substitutions over the whole
text; the pass here (`word_kernels`) reads it once and finds the same tokens. The few words whose apostrophes it does not
know (`'tis`, `y'all've`) are given to NLTK with what stands beside them, each only once.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt32

from interp.runs.errors import UserError
from training.longtext.characters import flags
from training.longtext.lexicons import lexicon, lexicon_trie
from training.longtext.word_kernels import count_words

_REMEMBERED = 1 << 16
_PERHAPS_HARD = np.array([ord(one) for one in "',:"], np.uint32)


class EnglishWords(NamedTuple):
    """What a text has of them."""

    words: int
    """Tokens, punctuation included."""
    pronouns: dict[str, int]
    """Tokens that are listed, by word; those that do not occur are left out."""


def english_words(low: UInt32[np.ndarray, " character"], sentences: Int[np.ndarray, "sentence 2"]) -> EnglishWords:
    """Count the tokens that NLTKWordTokenizer finds in each sentence of a text in lower case.

    Raises UserError if NLTK is wanted and not installed.
    """
    listed = lexicon("pronouns", "en")
    counts = np.zeros(len(listed), np.int64)
    hard = np.empty((int(np.isin(low, _PERHAPS_HARD).sum()) + 1, 2), np.int64)
    words, count = count_words(low, sentences, flags(), *lexicon_trie("pronouns", "en"), counts, hard)
    found = Counter({word: int(number) for word, number in zip(listed, counts, strict=True) if number})
    starts, ends = set(sentences[:, 0].tolist()), set(sentences[:, 1].tolist())
    for start, end in hard[:count].tolist():
        more, pronouns = _hard(_in_place(low, start, end, starts, ends))
        words, found = words + more, found + Counter(pronouns)
    return EnglishWords(words, dict(found))


class _Piece(NamedTuple):
    """Words that NLTK must see, and the white space beside them; empty where the sentence begins or ends."""

    before: str
    text: str
    after: str


def _in_place(
    low: UInt32[np.ndarray, " character"], start: int, end: int, starts: Collection[int], ends: Collection[int]
) -> _Piece:
    before = "" if start in starts else chr(low[start - 1])
    after = "" if end in ends else chr(low[end])
    return _Piece(before, low[start:end].tobytes().decode("utf-32-le", "surrogatepass"), after)


@functools.lru_cache(_REMEMBERED)
def _hard(piece: _Piece) -> tuple[int, tuple[str, ...]]:
    """Tokens of a piece, and those of them that are pronouns: a word is set on either side and taken away again."""
    sides = [side for side in (piece.before, piece.after) if side]
    whole = f"{'x' if piece.before else ''}{piece.before}{piece.text}{piece.after}{'x' if piece.after else ''}"
    tokens = nltk_tokens(whole)
    return len(tokens) - len(sides), tuple(token for token in tokens if token in lexicon("pronouns", "en"))


def nltk_tokens(sentence: str) -> list[str]:
    """NLTKWordTokenizer's tokens. Raises UserError if NLTK is not installed."""
    return _tokenizer().tokenize(sentence)


@functools.cache
def _tokenizer():  # type: ignore[no-untyped-def]  # NLTK takes two seconds to import
    try:
        from nltk.tokenize import NLTKWordTokenizer
    except ImportError:
        raise UserError("English words need NLTK: pip install 'interp-lab[data]'") from None
    return NLTKWordTokenizer()


def chinese_words(text: str) -> list[str]:
    """Words of a Chinese text by jieba's dictionary; other scripts and marks come as pieces of their own.

    Raises UserError if rjieba is not installed.
    """
    try:
        import rjieba
    except ImportError:
        raise UserError("Chinese words need rjieba: pip install 'interp-lab[data]'; or take characters") from None
    return rjieba.cut(text)
