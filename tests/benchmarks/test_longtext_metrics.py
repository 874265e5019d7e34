"""The plain formulas and ours agree, and the plain sentences are those of the compiled pass."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.longtext_metrics import Size, long_documents, measure, plain, plain_sentences
from training.longtext.sentences import sentences
from training.longtext.statistical import english

PIECES = ["Mr", "e.g", "x", "A", "it", ".", ". ", "! ", "?", "…", '"', ")", " ", "\n", "\n \n", "Then", "5", "é", "É"]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_sentences(text: str) -> None:
    assert plain_sentences(text) == [text[start:end] for start, end in sentences(text)]


def test_values() -> None:
    from pydoc_data.topics import topics

    text = "\n".join([*topics.values()][:20])
    assert plain(text) == pytest.approx(english(text).values)


@pytest.mark.slow
def test_measures() -> None:
    found = measure(long_documents(3), Size(3, 1))
    assert found["documents"] == 2 and found["largest_difference"] < 1e-12
    assert all(found[name] > 0 for name in found["target"])
