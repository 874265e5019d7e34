"""Text that shows a task by examples: lines of words, each with a label that some rule gives.

It teaches in-context learning and holds out what the paper's tasks use (arXiv 2402.13055, Table 1): none of their
labels (digits, true, false), entity sets (fruit, month, furniture, profession, animal) or rules (the order of two
classes in a pair, four or nine ordered pairs) appears here. All lists are our choice.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import numpy as np

from training.lm.names import invented_names

CATEGORIES = {
    "colour": "red green blue yellow purple orange brown black white pink grey violet",
    "country": "France Spain Italy Germany Japan China India Brazil Canada Egypt Norway Poland",
    "vehicle": "car bus train plane boat ship truck bicycle tram taxi van rocket",
    "tool": "hammer saw drill wrench knife axe shovel needle brush ladder rope nail",
    "metal": "iron gold silver copper tin lead zinc nickel steel bronze brass aluminium",
    "sport": "football tennis golf hockey boxing rugby chess skiing swimming rowing cricket baseball",
    "instrument": "piano violin guitar flute drum harp trumpet organ cello horn bell whistle",
    "language": "Python Java Ruby Perl Rust Haskell Lisp Swift Scala Fortran Pascal Erlang",
    "garment": "shirt hat coat shoe glove scarf dress belt sock jacket skirt tie",
    "body": "hand foot head arm leg eye ear nose mouth neck knee finger",
    "drink": "water milk tea coffee wine beer juice soda cider cocoa rum gin",
    "shape": "circle square line point curve cube sphere cone triangle star cross ring",
    "weather": "rain snow wind storm cloud fog hail frost thunder sun ice heat",
    "building": "house church tower bridge school castle barn hotel museum palace temple factory",
    "unit": "metre second gram litre byte inch mile hour minute degree volt watt",
    "plant": "oak pine rose grass fern moss tulip lily cedar bamboo ivy palm",
}
"""Words of one kind; a rule tells kinds apart, never single words."""
LABELS = (
    "yes no left right up down north south east west alpha beta gamma delta A B C D E F G H X Y Z P Q "
    "hot cold open closed on off good bad odd even in out start stop high low new old"
)
"""Words, one space between."""
_ALL_LABELS = LABELS.split() + [word for words in CATEGORIES.values() for word in words.split()]
"""Any other word labels as well, and in every other task an invented one: labels must be found in the context."""
_FORMS = ("{}: {}", "{} -> {}", "{} = {}", "{} is {}", "{} | {}", "Input: {} Output: {}")
_JOINS = (", ", " ", " and ", " / ")

Rule = Callable[[np.random.Generator], tuple[tuple[str, ...], int]]
"""Draws the words of one line and the number of its label."""


def demonstration(rng: np.random.Generator) -> str:
    """One document: a task, shown in 8 to 40 lines."""
    rule, classes = _TASKS[rng.integers(len(_TASKS))](rng)
    labels = rng.choice(_ALL_LABELS, classes, replace=False) if rng.integers(2) else invented_names(rng, classes)
    form, join = rng.choice(_FORMS), rng.choice(_JOINS)
    lines = []
    for _ in range(rng.integers(8, 41)):
        words, label = rule(rng)
        lines.append(form.format(join.join(words), labels[label]))
    return "\n".join(lines)


def _kinds(rng: np.random.Generator, count: int) -> list[list[str]]:
    """Some words each of `count` categories; few, so that words come back within a document.

    Every other time the words are invented, and only the document tells which of them belong together.
    """
    sizes = [int(size) for size in rng.integers(4, 11, size=count)]
    if rng.integers(2):
        names = iter(invented_names(rng, sum(sizes)))
        return [list(islice(names, size)) for size in sizes]
    chosen = rng.choice(list(CATEGORIES), count, replace=False)
    return [
        list(rng.choice(CATEGORIES[kind].split(), size, replace=False)) for kind, size in zip(chosen, sizes, strict=True)
    ]


def _by_kind(rng: np.random.Generator) -> tuple[Rule, int]:
    classes = int(rng.integers(2, 5))
    kinds = _kinds(rng, classes)

    def rule(rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
        label = int(rng.integers(classes))
        return (rng.choice(kinds[label]),), label

    return rule, classes


def _by_kind_at_a_place(rng: np.random.Generator) -> tuple[Rule, int]:
    """The other word is of a kind that says nothing."""
    classes, first = int(rng.integers(2, 4)), bool(rng.integers(2))
    *kinds, idle = _kinds(rng, classes + 1)

    def rule(rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
        label = int(rng.integers(classes))
        pair = rng.choice(kinds[label]), rng.choice(idle)
        return (pair if first else pair[::-1]), label

    return rule, classes


def _by_sameness(rng: np.random.Generator) -> tuple[Rule, int]:
    """Are two words of one kind?"""
    kinds = _kinds(rng, 4)

    def rule(rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
        label = int(rng.integers(2))
        one, other = rng.choice(4, 2, replace=False)
        return (rng.choice(kinds[one]), rng.choice(kinds[other if label else one])), label

    return rule, 2


def _by_word(rng: np.random.Generator) -> tuple[Rule, int]:
    """Each word has a label of its own, by chance."""
    classes = int(rng.integers(2, 7))
    words = [word for kind in _kinds(rng, 2) for word in kind][: int(rng.integers(4, 12))]
    label_of = rng.integers(classes, size=len(words))

    def rule(rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
        number = int(rng.integers(len(words)))
        return (words[number],), int(label_of[number])

    return rule, classes


_TASKS = (_by_kind, _by_kind_at_a_place, _by_sameness, _by_word)
