"""The compiled pass finds NLTK's tokens and the plain rules' sentences, on arbitrary strings and on real text."""

from __future__ import annotations

import re
import sys
import unicodedata
from itertools import islice

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.longtext.characters import DIGIT, DISPUTED, LETTER, LOWER, NUMBER, SPACE, WORD, codes_of, flags, lowered
from training.longtext.lexicons import lexicon
from training.longtext.sentences import english_sentences, sentences
from training.longtext.words import EnglishWords, english_words, nltk_tokens

MARKS = "'\"`.,:;-—()[]!?’“”… "
SNIPPETS = [
    "'s",
    "n't",
    "'ll",
    "''",
    "cannot",
    "wanna",
    "gimme",
    "d'ye",
    "more'n",
    "'tis",
    " it",
    "don't",
    "o'clock",
    "..",
    "5",
    "é",
    "²",
    "\u0301",
    "\x1f",
    "…",
]
WILD = st.lists(st.sampled_from([*MARKS, *SNIPPETS, *"abxts\n"]), max_size=14).map("".join)


def counted(text: str) -> EnglishWords:
    low = codes_of(lowered(text))
    return english_words(low, english_sentences(low, codes_of(text)))


def by_nltk(text: str) -> EnglishWords:
    tokens = [token for start, end in sentences(text) for token in nltk_tokens(lowered(text[start:end]))]
    listed = [token for token in tokens if token in lexicon("pronouns", "en")]
    return EnglishWords(len(tokens), {word: listed.count(word) for word in sorted(set(listed))})


def same(text: str) -> bool:
    ours, theirs = counted(text), by_nltk(text)
    return ours.words == theirs.words and ours.pronouns == theirs.pronouns


def test_flags_are_those_of_python() -> None:
    for code in range(sys.maxunicode + 1):
        flag, one = flags()[code], chr(code)
        category = unicodedata.category(one)
        named = {WORD: one.isalnum() or one == "_", SPACE: one.isspace(), DIGIT: one.isdecimal(), LOWER: one.islower()}
        named |= {LETTER: category[0] == "L", NUMBER: category[0] == "N"}
        assert all(bool(flag & bit) == value for bit, value in named.items()), hex(code)


@pytest.mark.parametrize("kind", [r"\w", r"\d", r"\s"])
def test_engines_differ_on_disputed_characters_alone(kind: str) -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    differ = set(re.findall(kind, every)) ^ set(regex.findall(kind, every))
    assert all(flags()[ord(one)] & DISPUTED for one in differ)


@settings(max_examples=300, deadline=None)
@given(WILD)
@example("x's' y")
@example('He said, "I cannot." (\'tis so.)')
@example('foo. "')
@example("a,,b ::5 :,5")
@example("rock 'n' roll, y'all've, 'twas dogs' o'er it's.'")
def test_tokens_of_nltk(text: str) -> None:
    assert same(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_tokens_of_nltk_on_any_characters(text: str) -> None:
    assert same(text)


def test_tokens_of_nltk_on_real_text() -> None:
    from pydoc_data.topics import topics

    texts = [*islice(topics.values(), 40), unittest_text()]
    assert all(same(text) for text in texts)


def unittest_text() -> str:
    import unittest.mock

    return open(unittest.mock.__file__, encoding="utf-8").read()
