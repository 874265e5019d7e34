"""Sentence pairs with the connective that ties them, from connective-initial sentences (after DMR, arXiv 2306.10658).

Where a sentence begins with a connective, the sentence before it and what follows the connective are a pair for that
connective; other neighbours are pairs without one. The texts are the installed documentation, whole sources held out.
LongWanjuan's code takes 12,000 pairs a connective and as many without any; we have fewer, and take as many pairs
without a connective as with one, so that the probability of none has the middle of its range between them. Half of
those are sentences of two different documents: neighbours in a document that was put together.
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from interp.corpora.document import Document
from training.longtext.lexicons import lexicon
from training.longtext.sentences import paragraphs, sentences

NONE = "[no_conn]"
"""The class of pairs without a connective."""


Item = TypeVar("Item")


class Pair(NamedTuple):
    """Two sentences, the second without its connective."""

    first: str
    second: str
    connective: str
    neighbours: bool = True
    """Whether the second follows the first; False for sentences of two documents."""


@dataclass(frozen=True)
class PairOptions:
    """Which pairs are taken. All figures are ours, for the little text that is installed."""

    shortest: int = 20
    """Characters of a sentence."""
    longest: int = 300
    most: int = 1_000
    """Pairs a connective."""
    most_of_source: int = 100
    """Pairs a connective from one source."""
    fewest: int = 40
    """Connectives with fewer pairs in training text are left out."""
    unrelated: float = 0.5
    """Share of the pairs without a connective that are sentences of two documents."""


def neighbours(document: Document, options: PairOptions) -> Iterator[Pair]:
    """Pairs of neighbouring sentences of a document, within a paragraph each, with or without a connective."""
    for block in paragraphs(document.text, "blocks"):
        flat = " ".join(block.split())
        found = [flat[start:end] for start, end in sentences(flat)]
        for first, second in pairwise(found):
            connective, rest = _begins(second)
            if _prose(first, options) and _prose(rest, options):
                yield Pair(first, rest, connective)


def _begins(sentence: str) -> tuple[str, str]:
    """The connective that a sentence begins with, and the rest."""
    if not (match := _initial().match(sentence)):
        return NONE, sentence
    return " ".join(match[1].lower().split()), sentence[match.end() :]


@functools.cache
def _initial() -> re.Pattern[str]:
    listed = sorted(lexicon("connectives", "en"), key=len, reverse=True)
    return re.compile(rf"({'|'.join(listed)})\b,?\s+", re.IGNORECASE)


def _prose(sentence: str, options: PairOptions) -> bool:
    """Of a fair length, and mostly letters: documentation has code and tables between its sentences."""
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return options.shortest <= len(sentence) <= options.longest and letters >= 0.85 * len(sentence)


def collect(documents: Iterable[Document], options: PairOptions, *, seed: int) -> list[Pair]:
    """Balanced pairs of the documents: at most `most` a connective, and as many without one as with one."""
    tied: dict[str, list[Pair]] = defaultdict(list)
    untied: dict[Pair, str] = {}
    taken: Counter[tuple[str, str]] = Counter()
    for document in documents:
        for pair in dict.fromkeys(neighbours(document, options)):
            if pair.connective == NONE:
                untied.setdefault(pair, document.name)
            elif taken[document.source, pair.connective] < options.most_of_source:
                taken[document.source, pair.connective] += 1
                tied[pair.connective].append(pair)
    rng = np.random.default_rng(seed)
    kept = [pair for name in sorted(tied) for pair in _some(sorted(set(tied[name])), options.most, rng)]
    return kept + _without(sorted(untied.items()), len(kept), options.unrelated, rng)


def _some(pairs: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [pairs[number] for number in rng.permutation(len(pairs))[:count]]


def _without(untied: Sequence[tuple[Pair, str]], count: int, unrelated: float, rng: np.random.Generator) -> list[Pair]:
    """Pairs without a connective: neighbours, and for a share of them a second sentence of any other document."""
    chosen = _some(untied, count, rng)
    documents = {name for _, name in untied}
    apart = round(unrelated * len(chosen)) if len(documents) > 1 else 0
    crossed = [pair._replace(second=_elsewhere(untied, name, rng), neighbours=False) for pair, name in chosen[:apart]]
    return crossed + [pair for pair, _ in chosen[apart:]]


def _elsewhere(untied: Sequence[tuple[Pair, str]], name: str, rng: np.random.Generator) -> str:
    """A second sentence of a document that is not the named one; there must be another."""
    while True:
        pair, other = untied[int(rng.integers(len(untied)))]
        if other != name:
            return pair.second


def frequent(connectives: Iterable[str], fewest: int) -> tuple[str, ...]:
    """Those that come at least `fewest` times, and NONE, which is the last."""
    counts = Counter(connectives)
    return (*sorted(name for name, count in counts.items() if count >= fewest and name != NONE), NONE)
