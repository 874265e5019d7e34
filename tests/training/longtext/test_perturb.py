"""Damage does what it says, no more: counted on texts whose words are known."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from interp.runs.errors import UserError
from training.longtext.lexicons import lexicon
from training.longtext.perturb import KINDS, perturb
from training.longtext.sentences import sentences

ENGLISH = " ".join(
    f"However, they saw river {n} because it was near. We then went {n} miles to her house." for n in range(40)
)
CHINESE = "".join(f"但是，我们看见第{n}条河。因此他们走了{n}里路。" for n in range(40))


def listed(text: str, kind: str, language: str) -> int:
    entries = sorted(lexicon(kind, language), key=len, reverse=True)  # type: ignore[arg-type]
    words = "|".join(map(re.escape, entries))
    return len(re.findall(rf"(?i)\b(?:{words})\b" if language == "en" else words, text))


@pytest.mark.parametrize("kind", KINDS)
def test_rate_0_leaves_the_text(kind: str) -> None:
    assert perturb(ENGLISH, kind, 0, other="other") == ENGLISH  # type: ignore[arg-type]


@pytest.mark.parametrize("language, text", [("en", ENGLISH), ("zh", CHINESE)])
def test_shuffling_keeps_every_sentence(language: str, text: str) -> None:
    damaged = perturb(text, "shuffle", 1, language=language)  # type: ignore[arg-type]
    before, after = (Counter(one[a:b] for a, b in sentences(one, language)) for one in (text, damaged))  # type: ignore[arg-type]
    assert damaged != text and len(damaged) == len(text) and before == after


@pytest.mark.parametrize("language, text", [("en", ENGLISH), ("zh", CHINESE)])
@pytest.mark.parametrize("kind", ["connectives", "pronouns"])
def test_listed_words_go_at_the_rate(kind: str, language: str, text: str) -> None:
    before = listed(text, kind, language)
    assert before > 40 and listed(perturb(text, kind, 1, language=language), kind, language) <= 0.02 * before  # type: ignore[arg-type]
    half = listed(perturb(text, kind, 0.5, language=language), kind, language)  # type: ignore[arg-type]
    assert 0.3 * before < half < 0.7 * before


def test_a_connective_that_is_wrapped_goes_too() -> None:
    assert perturb("It rained. As a\n  result it was wet.", "connectives", 1) == "It rained.  it was wet."


def test_a_collapsed_vocabulary_has_the_common_words_only() -> None:
    text = " ".join(
        ["river", "stone", "cloud"] * 90 + ["".join(chr(97 + (n // 26**k) % 26) for k in range(5)) for n in range(400)]
    )
    damaged = perturb(text, "vocabulary", 1)
    assert len(damaged) == len(text) and len(set(damaged.split())) == 200


def test_splicing_takes_pieces_from_the_other_text_in_turn() -> None:
    assert perturb("a" * 4_000, "splice", 1, other="b" * 4_000) == ("a" * 1_000 + "b" * 1_000) * 2
    assert perturb("a" * 4_000, "splice", 0.5, other="b" * 4_000) == "a" * 2_000 + "b" * 2_000


def test_refuses() -> None:
    with pytest.raises(UserError, match="'burn' at rate"):
        perturb("text", "burn", 0.5)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="at rate 2"):
        perturb("text", "shuffle", 2)
