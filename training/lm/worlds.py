"""Text about small invented worlds: facts between entities, told once and then told again in other words.

Whoever has read the first telling can predict the second: having met the head of a relation, recall its tail. The
seven relations are AGENDA's; names and sentences are ours, and other ones than those that `interp.heads.relations.synthetic`
measures with.
"""

from __future__ import annotations

import numpy as np

from training.lm.names import letters_or_names

RELATIONS = {
    "USED-FOR": ("{h} is used for {t}", "we use {h} for {t}", "for {t} , people rely on {h}", "{t} needs {h}"),
    "CONJUNCTION": ("both {h} and {t} appear", "{h} comes together with {t}", "{t} as well as {h} was seen"),
    "FEATURE-OF": ("{h} is a feature of {t}", "{t} has {h}", "{t} is known for its {h}"),
    "PART-OF": ("{h} belongs to {t}", "{t} contains {h}", "inside {t} there is {h}", "{h} lies within {t}"),
    "COMPARE": ("{h} is better than {t}", "{t} loses against {h}", "unlike {t} , {h} works"),
    "EVALUATE-FOR": ("{h} measures {t}", "{t} is judged by {h}", "the quality of {t} is given by {h}"),
    "HYPONYM-OF": ("{h} is one example of {t}", "{t} such as {h} exist", "every {h} is some {t}"),
}
"""Sentences that say that a relation holds between a head {h} and a tail {t}."""
_OPENINGS = ("", "", "", "indeed , ", "moreover , ", "as we know , ", "here , ", "again , ", "note that ")


def world(rng: np.random.Generator) -> str:
    """One document: 3 to 8 facts, told 2 to 4 times, each time in a new order."""
    names = letters_or_names(rng, int(rng.integers(4, 10)))
    relations = list(RELATIONS)
    facts: dict[tuple[str, str], str] = {}
    for _ in range(rng.integers(3, 9)):
        head, tail = rng.choice(names, 2, replace=False)
        facts.setdefault((str(rng.choice(relations)), str(head)), str(tail))
    sentences = []
    for _ in range(rng.integers(2, 5)):
        order = rng.permutation(len(facts))
        sentences += [_told(rng, *list(facts.items())[number]) for number in order]
    return " ".join(sentences)


def _told(rng: np.random.Generator, about: tuple[str, str], tail: str) -> str:
    relation, head = about
    return f"{rng.choice(_OPENINGS)}{rng.choice(RELATIONS[relation]).format(h=head, t=tail)} ."
