"""Sentences of the text that every machine has, parsed by the shipped parser: syntactic relations without any data set.

Docstrings and descriptions are full of code, lists and tables. Kept are sentences of 6 to 40 words that begin with a
capital, end with a full stop and hold nothing but words and plain punctuation; at most 4 of a document, none twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from interp.corpora.document import Document, Split
from interp.corpora.installed import installed_documents
from interp.heads.relations.collected import Relations
from interp.heads.relations.dependencies import SPACY, ParsedSentence, dependency_relations
from interp.heads.relations.parsers import spacy_sentences

_PROSE = re.compile(r"[A-Z][a-z]*(?: [A-Za-z][A-Za-z',;:-]*)*[A-Za-z]\.")
_WORDS = range(6, 41)
_PER_DOCUMENT = 4
_LONGEST = 2_000
"""Characters of a paragraph: longer ones are tables and listings."""


def installed_relations(limit: int = 200, *, split: Split = "held-out", nlp: Any = None) -> Relations:
    """subj, obj and mod of the first `limit` sentences of a split of the installed text.

    `nlp` is a spaCy pipeline with a parser of English; the shipped one if None.
    """
    sentences = spacy_sentences(_paragraphs(installed_documents(split)), nlp)
    chosen = islice(_prose(sentences), limit)
    return dependency_relations(chosen, SPACY, source="the text installed on this machine")


def _paragraphs(documents: Iterable[Document]) -> Iterator[Document]:
    for document in documents:
        for number, text in enumerate(re.split(r"\n\s*\n", document.text), start=1):
            if len(text) <= _LONGEST:
                yield Document(document.name, f"{document.name}:{number}", text)


def _prose(sentences: Iterable[ParsedSentence]) -> Iterator[ParsedSentence]:
    seen: set[str] = set()
    taken: Counter[str] = Counter()
    for sentence in sentences:
        document = sentence.name.rsplit(":", 2)[0]
        fits = len(sentence.words) in _WORDS and _PROSE.fullmatch(sentence.text)
        if fits and sentence.text not in seen and taken[document] < _PER_DOCUMENT:
            seen.add(sentence.text)
            taken[document] += 1
            yield sentence
