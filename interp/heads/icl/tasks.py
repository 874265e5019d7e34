"""The few-shot tasks of Ren et al. (arXiv 2402.13055, Table 1 and appendix C), for any tokenizer.

Two-, four- and nine-class tasks label an ordered pair of words by the kinds of both; relation tasks say whether a pair
is related ("true") or an animal and a month ("false"). Kinds, rules and line form are the paper's; it prints no word
lists, so those are ours. Our own decoder's training text holds all of them out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

KINDS = {
    "fruit": "apple banana pear peach plum cherry grape lemon mango melon fig apricot",
    "month": "January February March April May June July August September October November December",
    "furniture": "table chair desk sofa bed shelf lamp stool bench cabinet couch wardrobe",
    "profession": "doctor teacher lawyer nurse farmer baker painter driver writer engineer pilot waiter",
    "animal": "dog cat horse cow sheep pig lion tiger bear wolf fox rabbit",
}
RELATED = {
    "subj-verb": "child plays, bird flies, singer sings, river flows, sailor sails, clock ticks, fire burns, baby cries, "
    "cook cooks, player wins, judge decides, reader reads",
    "verb-obj": "read book, write letter, sing song, eat bread, throw ball, wash dish, solve problem, tell story, "
    "ask question, play game, pay bill, catch fish",
    "mod-obj": "bright light, deep sea, loud noise, sharp blade, heavy load, soft pillow, sweet honey, tall giant, "
    "dark night, fresh bread, empty room, clear sky",
    "part-whole": "wheel wagon, page book, leaf tree, roof cottage, branch forest, key keyboard, petal flower, wing bird, "
    "lens camera, crust bread, chapter novel, player team",
}
"""Pairs of words that stand in a relation, in the order of its name."""
SHOTS = (0, 1, 2, 3, 4, 5, 10, 20)

Pair = tuple[str, str]


def task_words() -> set[str]:
    """Every word and label of the tasks: what a training text must hold out for the tasks to test learning in context."""
    related = RELATED.values()
    words = {word for kind in KINDS.values() for word in kind.split()}
    return words | {word for pairs in related for word in pairs.replace(",", "").split()} | {*"012345678", "true", "false"}


class Task(NamedTuple):
    """Pairs of words by their label."""

    name: str
    pairs: dict[str, list[Pair]]
    """Label -> every pair that has it."""
    is_format: Callable[[str], bool]
    """Whether one generated token, blanks stripped, has the form of a label, right or wrong."""

    @property
    def chance(self) -> float:
        """Accuracy of a guess among the labels."""
        return 1 / len(self.pairs)


def tasks() -> dict[str, Task]:
    """The eight tasks by name."""
    found = [
        _ordered("fruit-month", ("fruit", "month")),
        _ordered("furniture-profession", ("furniture", "profession")),
        _classes("four-class", ("fruit", "month")),
        _classes("nine-class", ("fruit", "animal", "month")),
    ]
    return {task.name: task for task in found + [_relation(name) for name in RELATED]}


def _ordered(name: str, kinds: Pair) -> Task:
    """`E1, E2: 0` and `E2, E1: 1`."""
    one, other = (KINDS[kind].split() for kind in kinds)
    return Task(name, {"0": list(product(one, other)), "1": list(product(other, one))}, str.isdecimal)


def _classes(name: str, kinds: Sequence[str]) -> Task:
    """Every ordered pair of kinds has a number: E1E1 0, E1E2 1, ..."""
    words = [KINDS[kind].split() for kind in kinds]
    pairs = {
        str(number): [pair for pair in product(one, other) if pair[0] != pair[1]]
        for number, (one, other) in enumerate(product(words, repeat=2))
    }
    return Task(name, pairs, str.isdecimal)


def _relation(name: str) -> Task:
    related = [(pair.split()[0], pair.split()[1]) for pair in RELATED[name].split(", ")]
    unrelated = list(product(KINDS["animal"].split(), KINDS["month"].split()))
    return Task(name, {"true": related, "false": unrelated}, {"true", "false"}.__contains__)


class Prompt(NamedTuple):
    """A few-shot prompt that one token completes."""

    text: str
    label: str
    shown: bool
    """Whether the asked pair is among the shots: then its answer can be copied."""


def prompts(task: Task, shots: int, count: int, seed: int, *, end: str) -> list[Prompt]:
    """`count` prompts of `shots` examples each, every class at least once if there are shots enough.

    The asked pair is drawn like the shots. `end` closes the prompt, see `label_tokens`.
    """
    rng = np.random.default_rng([seed, shots])
    labels = list(task.pairs)
    found = []
    for _ in range(count):
        drawn = [int(number) for number in rng.integers(len(labels), size=shots)]
        if shots >= len(labels):
            drawn[: len(labels)] = range(len(labels))
        order = rng.permutation(shots)
        examples = [(_draw(task, labels[drawn[place]], rng), labels[drawn[place]]) for place in order]
        label = labels[int(rng.integers(len(labels)))]
        asked = _draw(task, label, rng)
        lines = [f"{one}, {other}: {said}\n" for (one, other), said in examples]
        found.append(Prompt("".join(lines) + f"{asked[0]}, {asked[1]}{end}", label, asked in [pair for pair, _ in examples]))
    return found


def _draw(task: Task, label: str, rng: np.random.Generator) -> Pair:
    pairs = task.pairs[label]
    return pairs[int(rng.integers(len(pairs)))]


class LabelTokens(NamedTuple):
    """How a tokenizer writes the labels of a task."""

    end: str
    """What closes a prompt so that one more token is a label: `:`, or `: ` where a blank is a token of its own."""
    ids: dict[str, int]


def label_tokens(task: Task, tokenizer: Any) -> LabelTokens:
    """The token that stands for each label after the prompt's end; the first one where a label has several."""
    first = {label: tokenizer(f" {label}", add_special_tokens=False).input_ids[0] for label in task.pairs}
    if len(set(first.values())) == len(first) and all(tokenizer.decode([token]).strip() for token in first.values()):
        return LabelTokens(":", first)
    return LabelTokens(": ", {label: _without_blank(label, tokenizer) for label in task.pairs})


def _without_blank(label: str, tokenizer: Any) -> int:
    """In its place after a blank; some tokenizers put a blank before every text."""
    before = tokenizer("a: ", add_special_tokens=False).input_ids
    whole = tokenizer(f"a: {label}", add_special_tokens=False).input_ids
    return whole[len(before)] if whole[: len(before)] == before else whole[len(before) - 1]
