"""AGENDA's abstracts as texts with triplets, in two variants; and as plain texts for the study of dependencies.

`letters` is the preprocessing of arXiv 2402.13055: each entity becomes a single capital letter, one for all its
mentions, and the most frequent function words are deleted (`function_words`). Ours where the paper is silent: the
letters of an abstract are drawn by chance, as letters in alphabetical order would tell the next one; words stay between
single spaces, so that a letter is the same token in every place; an abstract that mentions more entities than there are
letters is read sentence by sentence. `plain` puts the entities' own words back and writes the text as one would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.corpora.document import Document
from interp.heads.relations.agenda import Abstract, agenda_abstracts
from interp.heads.relations.collected import Relations, gather
from interp.heads.relations.detokenise import Written, detokenised, spaced
from interp.heads.relations.document import RelationDocument, Span, Triplet
from interp.heads.relations.function_words import FUNCTION_WORDS

LETTERS = "BCDFGHJKLMOPQRTUVXYZ"
"""A, I, N, S, W, E are left out by the paper, as they stand alone as words."""
ABSENT = "triples with an entity that the text never mentions"
WITH_ITSELF = "triples of an entity with itself"
APART = "triples over several sentences of an abstract that is read by sentences"
CROWDED = "sentences with more entities than letters"

_SENTENCE_ENDS = {".", "?", "!"}
_Names = Mapping[int, Sequence[str]]
_Join = Callable[[Sequence[str]], Written]


def agenda_letters(
    path: Path,
    *,
    vocabulary: Path | None = None,
    limit: int | None = None,
    function_words: Collection[str] = FUNCTION_WORDS,
    seed: int = 0,
) -> Relations:
    """The triplets of the first `limit` abstracts in the paper's preprocessing.

    Args:
        vocabulary: the relations' names, one a line; the paper's seven if None.
        function_words: what is deleted, in lower case.
        seed: of the letters; those of an abstract depend on it and on the line, not on the abstracts before.

    Raises:
        UserError: for a file that is not AGENDA's, naming the line, or one without a triplet.
    """
    dropped: Counter[str] = Counter()

    def documents() -> Iterator[RelationDocument]:
        for whole in islice(agenda_abstracts(path, vocabulary), limit):
            for piece in _lettered_pieces(_checked(whole, dropped), dropped):
                names = _letters(piece, np.random.default_rng([seed, piece.number]))
                words = [word for word in piece.words if isinstance(word, int) or word.lower() not in function_words]
                yield _document(piece, words, names, spaced)

    return gather(documents(), dropped, source=str(path))


def agenda_plain(path: Path, *, vocabulary: Path | None = None, limit: int | None = None) -> Relations:
    """The triplets of the first `limit` abstracts, the entities in their own words. Raises UserError as above."""
    dropped: Counter[str] = Counter()
    abstracts = (_checked(abstract, dropped) for abstract in islice(agenda_abstracts(path, vocabulary), limit))
    documents = (_document(abstract, abstract.words, _own_words(abstract), detokenised) for abstract in abstracts)
    return gather(documents, dropped, source=str(path))


def agenda_texts(path: Path, *, limit: int | None = None) -> Iterator[Document]:
    """The first `limit` abstracts as plain texts, for the study of dependencies. Raises UserError as above."""
    for abstract in islice(agenda_abstracts(path), limit):
        text = _write(abstract.words, _own_words(abstract), detokenised).text
        yield Document(abstract.name, abstract.name, text)


def _checked(abstract: Abstract, dropped: Counter[str]) -> Abstract:
    """The abstract without the triples that no text can show."""
    mentioned = set(abstract.mentioned)
    kept = []
    for head, relation, tail in abstract.triples:
        if not {head, tail} <= mentioned:
            dropped[ABSENT] += 1
        elif head == tail:
            dropped[WITH_ITSELF] += 1
        else:
            kept.append((head, relation, tail))
    return abstract._replace(triples=tuple(kept))


def _lettered_pieces(abstract: Abstract, dropped: Counter[str]) -> list[Abstract]:
    """The abstract, or if it mentions too many entities its sentences.

    A triple goes to the first sentence with both of its entities; one whose entities share none is dropped.
    """
    if len(abstract.mentioned) <= len(LETTERS):
        return [abstract]
    left, pieces = list(abstract.triples), []
    for number, words in enumerate(_sentences(abstract.words), start=1):
        piece = abstract._replace(name=f"{abstract.name}.{number}", words=words)
        mentioned = set(piece.mentioned)
        if len(mentioned) > len(LETTERS):
            dropped[CROWDED] += 1
            continue
        inside = tuple(triple for triple in left if {triple[0], triple[2]} <= mentioned)
        left = [triple for triple in left if triple not in inside]
        pieces.append(piece._replace(triples=inside))
    dropped[APART] += len(left)
    return pieces


def _sentences(words: Iterable[str | int]) -> Iterator[tuple[str | int, ...]]:
    sentence: list[str | int] = []
    for word in words:
        sentence.append(word)
        if word in _SENTENCE_ENDS:
            yield tuple(sentence)
            sentence = []
    if sentence:
        yield tuple(sentence)


def _letters(abstract: Abstract, generator: np.random.Generator) -> _Names:
    drawn = generator.permutation(list(LETTERS))
    return {entity: [str(letter)] for entity, letter in zip(abstract.mentioned, drawn, strict=False)}


def _own_words(abstract: Abstract) -> _Names:
    return {number: entity.split() for number, entity in enumerate(abstract.entities)}


class _Text(NamedTuple):
    text: str
    mentions: Mapping[int, tuple[Span, ...]]


def _write(words: Sequence[str | int], names: _Names, join: _Join) -> _Text:
    tokens: list[str] = []
    places: dict[int, list[range]] = {}
    for word in words:
        inserted = names[word] if isinstance(word, int) else [word]
        if isinstance(word, int):
            places.setdefault(word, []).append(range(len(tokens), len(tokens) + len(inserted)))
        tokens += inserted
    text, spans = join(tokens)
    return _Text(
        text,
        {entity: tuple(Span(spans[p[0]].start, spans[p[-1]].end) for p in found) for entity, found in places.items()},
    )


def _document(abstract: Abstract, words: Sequence[str | int], names: _Names, join: _Join) -> RelationDocument:
    text, mentions = _write(words, names, join)
    triplets = (Triplet(mentions[head], relation, mentions[tail]) for head, relation, tail in abstract.triples)
    return RelationDocument(abstract.name, text, tuple(triplets))
