"""Function words by the shipped tagger, the most frequent first."""

from __future__ import annotations

import pytest

from interp.heads.relations.function_words import FUNCTION_WORDS, frequent_function_words


@pytest.mark.slow
def test_they_are_counted_by_tag_and_in_lower_case() -> None:
    from interp.heads.relations.parsers import SPACY_MODEL
    from interp.models.load import load

    nlp = load(SPACY_MODEL)
    texts = ["The network of the method learns with the data of the network.", "The network works."] * 3
    assert frequent_function_words(texts, nlp, 3) == ["the", "of", "with"]
    assert nlp.pipe_names == load(SPACY_MODEL).pipe_names, "the pipeline stays whole"
    assert len(FUNCTION_WORDS) == 20
