"""Tokens become a text in which each has its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.heads.relations.detokenise import detokenised, spaced

TOKENS = ["a", "B", ".", ",", "-lrb-", "-rrb-", "-LSB-", "-rsb-", "''", "``", '"', "'s", "n't", "'", "%", "--", "method"]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("we use B -lrb- the best -rrb- , as in -lsb- 3 -rsb- .", "we use B (the best), as in [3]."),
        ("general '' world knowledge '' is '' flat '' .", 'general "world knowledge" is "flat".'),
        ("the users ' model 's loss did n't fall by 5 % : why ?", "the users' model's loss didn't fall by 5%: why?"),
        ("`` yes '' -- he said", '"yes" -- he said'),
    ],
)
def test_english_as_one_writes_it(tokens: str, text: str) -> None:
    assert detokenised(tokens.split()).text == text


def test_spaced_keeps_every_token_apart() -> None:
    assert spaced(["so", "-lrb-", "B", "-rrb-", "''", "X", "''", "."]).text == 'so ( B ) " X " .'


@given(st.lists(st.sampled_from(TOKENS), max_size=30), st.sampled_from([spaced, detokenised]))
def test_spans_cover_the_text_but_for_single_spaces_between(tokens: list[str], join: type) -> None:
    text, spans = join(tokens)
    end = 0
    for token, span in zip(tokens, spans, strict=True):
        assert text[end : span.start] in ("", " ") and span.start < span.end
        assert text[span.start : span.end] == token or token in ("''", "``") or token.startswith("-")
        end = span.end
    assert end == len(text)
