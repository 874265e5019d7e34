"""Line statistics against numpy on split lines, type-token ratios against their definitions, paragraphs of both kinds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.longtext.characters import codes_of
from training.longtext.complexity import line_statistics, moving_type_token_ratio, type_token_ratio
from training.longtext.sentences import paragraphs
from training.longtext.statistical import Paragraphs, chinese, english


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab ,|，\n\t\r", min_size=1, max_size=60).filter(str.strip))
def test_lines(text: str) -> None:
    found = line_statistics(codes_of(text), "zh")
    lengths = np.array([len(line) for line in text.split("\n") if line.strip()])
    expected = [len(lengths), lengths.mean(), lengths.std(), np.median(lengths), lengths.max(), lengths.min()]
    expected += [text.count("\n"), text.count(",") + text.count("，"), text.count(" "), text.count("|")]
    np.testing.assert_allclose(found, expected[:6] + [count / len(text) for count in expected[6:]])
    assert line_statistics(codes_of(text), "en").commas == pytest.approx(text.count(",") / len(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=40), st.integers(1, 50))
def test_type_token_ratios(tokens: list[int], window: int) -> None:
    ids = np.array(tokens, np.int32)
    assert type_token_ratio(ids) == len(set(tokens)) / len(tokens)
    cut = [tokens[first : first + window] for first in range(max(len(tokens) - window, 0) + 1)]
    assert moving_type_token_ratio(ids, window) == pytest.approx(np.mean([len(set(one)) / len(one) for one in cut]))


def test_paragraphs_are_lines_or_blocks_mean_or_median_words_or_characters() -> None:
    text = "one two three\nfour five six\n\nseven\n"
    assert paragraphs(text) == ["one two three", "four five six", "seven"]
    assert paragraphs(text, "blocks") == ["one two three\nfour five six", "seven\n"]
    values = {
        (average, unit): english(text, Paragraphs(average, unit)).values["complexity_para"]  # type: ignore[arg-type]
        for average in ("mean", "median")
        for unit in ("lines", "blocks")
    }
    assert values == {("mean", "lines"): 7 / 3, ("mean", "blocks"): 3.5, ("median", "lines"): 3.0, ("median", "blocks"): 3.5}
    assert chinese("我们知道。\n好", Paragraphs(chinese="words")).values["complexity_para"] == 2.0  # 我们 知道 。 / 好


def test_blank_texts_are_refused() -> None:
    for score in (english, chinese):
        with pytest.raises(ValueError, match=r"without words|blank|empty"):
            score(" \n\t")
