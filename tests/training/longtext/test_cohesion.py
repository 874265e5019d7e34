"""Counts of pronouns and connectives against regular expressions and `str.count`, and the two formulas on a known text."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.longtext.characters import codes_of, lowered
from training.longtext.cohesion import (
    chinese_connectives,
    chinese_pronouns,
    connective_spans,
    coverage,
    english_connectives,
    pronoun_spans,
    rate,
)
from training.longtext.lexicons import lexicon, trie
from training.longtext.statistical import chinese, english

ENGLISH = st.lists(
    st.sampled_from(
        [*lexicon("connectives", "en"), "in", "on the other", "as", "well", ",", ".", "\n ", "'s", "-", "é", "x"]
    ),
    max_size=12,
)
CHINESE = st.lists(
    st.sampled_from([*lexicon("connectives", "zh"), *lexicon("pronouns", "zh"), "，", "其他", "们", "书"]), max_size=12
)


def by_expression(text: str) -> dict[str, int]:
    entries = sorted(lexicon("connectives", "en"), key=len, reverse=True)
    found = re.findall("|".join(rf"(?<!\w){re.escape(one)}(?!\w)".replace(r"\ ", r"\s+") for one in entries), lowered(text))
    return dict(Counter(" ".join(one.split()) for one in found))


@settings(max_examples=400, deadline=None)
@given(ENGLISH, st.sampled_from([" ", "", "  ", "\n"]))
def test_english_connectives_are_whole_words_longest_first(pieces: list[str], between: str) -> None:
    text = between.join(pieces)
    assert english_connectives(codes_of(lowered(text))) == by_expression(text)


@settings(max_examples=300, deadline=None)
@given(CHINESE)
def test_chinese_counts_are_those_of_python(pieces: list[str]) -> None:
    text = "".join(pieces)
    expected = {one: text.count(one) for one in lexicon("connectives", "zh") if one in text}
    assert chinese_connectives(codes_of(text)) == expected
    left, pronouns = text, {}
    for one in sorted(lexicon("pronouns", "zh"), key=len, reverse=True):
        if left.count(one):
            pronouns[one], left = left.count(one), left.replace(one, " ")
    assert chinese_pronouns(codes_of(text)) == pronouns


def test_no_pronoun_of_two_characters_begins_with_another_ones_end() -> None:
    """Else blanking one after the other would differ from reading left to right."""
    pairs = [one for one in lexicon("pronouns", "zh") if len(one) == 2]
    assert len(pairs) == 13 and not {one[1] for one in pairs} & {one[0] for one in pairs}


def test_formulas_on_a_known_english_text() -> None:
    found = english("However, it is his.\nAs a result, they don't know whose cat this is; I do.")
    # However , it is his . / As a result , they do n't know whose cat this is ; I do .
    assert found.evidence["words"] == 22
    assert found.evidence["pronouns"] == {"it": 1, "his": 1, "they": 1, "whose": 1, "this": 1, "i": 1}
    assert found.evidence["connectives"] == {"however": 1, "as a result": 1}
    assert found.values == {"cohesion_conn": 2 / 22, "cohesion_pron": 6 / 22, "complexity_para": 11.0}


def test_formulas_on_a_known_chinese_text() -> None:
    found = chinese("因为下雨，所以我们没去。\n\n首先，他累。")
    assert found.values["cohesion_conn"] == pytest.approx((2 + 2 + 2 + 3) / 20)
    assert found.values["cohesion_pron"] == pytest.approx((2 + 1) / 20)
    assert found.values["complexity_para"] == 9.0


def test_places_of_matches() -> None:
    text = "However, on the\nother hand, it's THEIRS."
    assert [text[start:end] for start, end in connective_spans(text, "en")] == ["However", "on the\nother hand"]
    assert [text[start:end] for start, end in pronoun_spans(text, "en")] == ["it", "THEIRS"]
    chinese_text = "首先，我们走。"
    assert [chinese_text[start:end] for start, end in connective_spans(chinese_text, "zh")] == ["首先，"]
    assert [chinese_text[start:end] for start, end in pronoun_spans(chinese_text, "zh")] == ["我们"]


@pytest.mark.parametrize("formula", [rate, coverage])
def test_nothing_is_divided_by_nothing(formula: object) -> None:
    with pytest.raises(ValueError, match=r"without words|empty"):
        formula({}, 0)  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["pronouns", "connectives"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_lexicons_say_where_they_come_from_and_repeat_nothing(kind: str, language: str) -> None:
    entries = lexicon(kind, language)  # type: ignore[arg-type]
    assert len(entries) == len(set(entries)) >= 20 and all(one == lowered(one) for one in entries)
    from training.longtext.lexicons import FOLDER

    assert "Compiled by us" in (FOLDER / f"{kind}_{language}.txt").read_text(encoding="utf-8")


def test_a_tree_of_entries_within_entries() -> None:
    found = trie(["ab", "abc", "b"])
    assert len(found.step) == 5 and sorted(found.ends.tolist()) == [-1, -1, 0, 1, 2]
