"""Made-up knowledge-graph texts whose triplets are known: for tests, and for a first look without any data.

Each triplet of AGENDA's seven relations becomes a sentence after one of several templates, about entities that are
single capital letters, as in the preprocessing of arXiv 2402.13055. An entity of several triplets is mentioned in
several sentences.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb

import numpy as np

from interp.heads.relations.agenda_relations import LETTERS
from interp.heads.relations.collected import Relations, gather
from interp.heads.relations.document import RelationDocument, Triplet
from interp.heads.relations.table import mentions
from interp.runs.errors import UserError

TEMPLATES = {
    "Used-for": (
        "we use the {head} for the {tail} .",
        "the {tail} is solved with the {head} .",
        "the {head} is applied to the {tail} .",
    ),
    "Conjunction": (
        "we study the {head} and the {tail} .",
        "both the {head} and the {tail} are considered .",
        "the {head} comes together with the {tail} .",
    ),
    "Feature-of": (
        "the {head} is a property of the {tail} .",
        "the {tail} has the {head} .",
        "we measure the {head} of the {tail} .",
    ),
    "Part-of": (
        "the {head} is part of the {tail} .",
        "the {tail} contains the {head} .",
        "the {head} belongs to the {tail} .",
    ),
    "Compare": (
        "we compare the {head} with the {tail} .",
        "the {head} outperforms the {tail} .",
        "unlike the {tail} , the {head} is fast .",
    ),
    "Evaluate-for": (
        "the {head} is evaluated on the {tail} .",
        "the {tail} shows how good the {head} is .",
        "we test the {head} by the {tail} .",
    ),
    "Hyponym-of": (
        "the {head} is a kind of the {tail} .",
        "the {tail} such as the {head} is common .",
        "every {head} is a {tail} .",
    ),
}
"""Sentences of each relation. They are ours; in some the tail comes first."""


def synthetic_relations(documents: int = 100, *, triplets: int = 6, entities: int = 8, seed: int = 0) -> Relations:
    """`documents` texts of `triplets` sentences each, about at most `entities` letters; two entities share one relation.

    Raises UserError for more entities than letters, or more triplets than pairs of entities.
    """
    if not 2 <= entities <= len(LETTERS):
        raise UserError(f"a text about {entities} entities cannot be made; accepted are 2 .. {len(LETTERS)}")
    if not 1 <= triplets <= comb(entities, 2):
        raise UserError(f"{triplets} triplets of {entities} entities cannot be made; accepted are 1 .. {comb(entities, 2)}")
    generator = np.random.default_rng(seed)
    made = (_document(f"synthetic:{number}", triplets, entities, generator) for number in range(1, documents + 1))
    return gather(made, Counter(), source="the synthetic source")


def _document(name: str, triplets: int, entities: int, generator: np.random.Generator) -> RelationDocument:
    letters = generator.permutation(list(LETTERS))[:entities]
    pairs = generator.permutation(list(combinations(letters, 2)))[:triplets]
    relations = [str(relation) for relation in generator.choice(list(TEMPLATES), triplets)]
    sentences = [
        str(generator.choice(TEMPLATES[relation])).format(head=head, tail=tail)
        for relation, (head, tail) in zip(relations, pairs, strict=True)
    ]
    text = " ".join(sentences)
    found = (
        Triplet(mentions(head, text), relation, mentions(tail, text))
        for relation, (head, tail) in zip(relations, pairs, strict=True)
    )
    return RelationDocument(name, text, tuple(found))
