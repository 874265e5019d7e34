"""Words that say little by themselves: the paper deletes the most frequent of them from knowledge-graph texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

FUNCTION_WORDS = frozenset({
    "the", "of", "a", "to", "and", "in", "is", "we", "for", "that", "this", "on", "with", "are", "by", "an", "as", "from",
    "can", "be",
})  # fmt: skip
"""The 20 most frequent of AGENDA's test part, as `frequent_function_words` finds them with the shipped parser.

Neither the list nor the cut is given in the paper (arXiv 2402.13055, section 3): 20 is ours. They are deleted wherever
they stand, since 99.5 % of their occurrences are function words to the tagger.
"""

_TAGS = {"ADP", "AUX", "CCONJ", "DET", "PART", "PRON", "SCONJ"}
_TAGGER = ("tok2vec", "tagger", "attribute_ruler")


def frequent_function_words(texts: Iterable[str], nlp: Any, count: int) -> list[str]:
    """The `count` most frequent function words of some texts, in lower case, by the tags of a spaCy pipeline."""
    found: Counter[str] = Counter()
    with nlp.select_pipes(enable=_TAGGER):
        for document in nlp.pipe(texts):
            found.update(word.lower_ for word in document if word.pos_ in _TAGS)
    return [word for word, _ in found.most_common(count)]
