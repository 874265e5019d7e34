"""Small Python functions made from templates, with their intent in words, comments at a wanted density, and unit tests.

    # Keep only the numbers that are even, then add 3 to every one of them, and give back their total.
    def solve(xs):
        # keep only the numbers that are even
        xs = [x for x in xs if x % 2 == 0]
        xs = [x + 3 for x in xs]
        return sum(xs)

A function is one or two steps on a list and an ending. The comment above it is its *intent*, which is also how tasks are
asked; each line may have a comment of its own. Which of these comments are there is drawn by chance, to a wanted density
(Song et al. 2024, arXiv 2402.13013: comments align code with language). Templates and phrases are ours, and phrases share
next to no word with their code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

HELD_OUT_EVERY = 8
"""One sequence of steps in so many is asked in tests and appears in no code that is read."""


class Template(NamedTuple):
    """One line of code and ways to say what it does; `{n}` is a number."""

    code: str
    phrases: tuple[str, ...]


STEPS = (
    Template(
        "xs = [x + {n} for x in xs]",
        ("add {n} to every one of them", "raise all numbers by {n}", "make each entry {n} larger"),
    ),
    Template(
        "xs = [x - {n} for x in xs]",
        ("subtract {n} from every one of them", "lower all numbers by {n}", "make each entry {n} smaller"),
    ),
    Template(
        "xs = [x * {n} for x in xs]",
        ("multiply every one of them by {n}", "scale all numbers {n} times up", "make each entry {n} times as large"),
    ),
    Template(
        "xs = [x % {n} for x in xs]",
        ("take what is left of each after division by {n}", "replace all numbers by their remainder modulo {n}"),
    ),
    Template(
        "xs = [x * x for x in xs]",
        ("square every one of them", "multiply all numbers with themselves", "raise each entry to the power two"),
    ),
    Template(
        "xs = [-x for x in xs]",
        ("flip the sign of every one of them", "turn all numbers into their opposite", "negate each entry of the list"),
    ),
    Template(
        "xs = [abs(x) for x in xs]",
        ("drop the sign of every one of them", "make all numbers positive", "take the size of each entry"),
    ),
    Template("xs = [x for x in xs if x % 2 == 0]", ("keep only the numbers that are even", "throw away all odd entries")),
    Template("xs = [x for x in xs if x % 2 == 1]", ("keep only the numbers that are odd", "throw away all even entries")),
    Template(
        "xs = [x for x in xs if x > {n}]",
        ("keep only the numbers above {n}", "throw away all entries up to {n}", "leave only what exceeds {n}"),
    ),
    Template(
        "xs = [x for x in xs if x < {n}]",
        (
            "keep only the numbers below {n}",
            "throw away all entries from {n} upwards",
            "leave only what is smaller than {n}",
        ),
    ),
    Template("xs = [x for x in xs if x != {n}]", ("remove every occurrence of {n}", "throw away all entries equal to {n}")),
    Template("xs = xs[::-1]", ("turn the order around", "go through the list backwards", "reverse the sequence of entries")),
    Template("xs = sorted(xs)", ("arrange them from small to large", "put the list in rising order")),
    Template("xs = sorted(xs, reverse=True)", ("arrange them from large to small", "put the list in falling order")),
    Template("xs = xs[:{n}]", ("keep the first {n} of them", "cut the list after {n} entries")),
    Template("xs = xs[{n}:]", ("skip the first {n} of them", "drop {n} entries from the front")),
    Template("xs = xs[-{n}:]", ("keep the last {n} of them", "leave {n} entries at the end")),
    Template("xs = xs[::2]", ("keep every second one of them", "leave out each other entry")),
    Template(
        "xs = list(dict.fromkeys(xs))",
        ("remove what was there before", "keep one of each value", "drop all repeated entries"),
    ),
)
ENDINGS = (
    Template("return xs", ("give back the list as it is now", "answer with what is left of the list")),
    Template("return sum(xs)", ("give back their total", "answer with all of them added up")),
    Template("return len(xs)", ("give back how many there are", "answer with the number of entries")),
    Template("return max(xs, default=0)", ("give back the largest one or zero", "answer with the greatest entry or zero")),
    Template("return min(xs, default=0)", ("give back the smallest one or zero", "answer with the least entry or zero")),
)
"""How a function ends."""
HEAD = "def solve(xs):"
"""Its first line, without the line end: tokenizers take that together with the indent that follows."""
_INDENT = "    "


class Line(NamedTuple):
    """A line of a function and one way to say it."""

    code: str
    phrase: str


class Program(NamedTuple):
    """One function."""

    lines: tuple[Line, ...]
    """Steps, then the ending."""
    key: str
    """Its templates, without numbers: programs of one key are held out together."""

    @property
    def intent(self) -> str:
        """The task in words, as a comment line."""
        first, *middle, last = [line.phrase for line in self.lines]
        return f"# {', then '.join([first.capitalize(), *middle])}, and {last}.\n"

    @property
    def comments(self) -> list[str]:
        """All comments that it may have, as lines: above the function, then above each line."""
        return [self.intent, *(f"{_INDENT}# {line.phrase}\n" for line in self.lines)]

    def code(self, chosen: Sequence[bool] = ()) -> str:
        """The function with the comments of `comments` for which `chosen` is true; none without it."""
        kept = [comment * mark for comment, mark in zip(self.comments, chosen, strict=False)] or [""] * (len(self.lines) + 1)
        codes = [f"{HEAD}\n", *(f"{_INDENT}{line.code}\n" for line in self.lines)]
        return "".join(comment + code for comment, code in zip(kept, codes, strict=True))

    @property
    def held_out(self) -> bool:
        """Whether it is asked in tests only."""
        digest = hashlib.blake2b(self.key.encode(), digest_size=4).digest()
        return int.from_bytes(digest) % HELD_OUT_EVERY == 0


def program(rng: np.random.Generator) -> Program:
    """A random function."""
    steps = [int(number) for number in rng.integers(len(STEPS), size=rng.integers(1, 3))]
    ending = int(rng.integers(len(ENDINGS)))
    templates = [*(STEPS[number] for number in steps), ENDINGS[ending]]
    return Program(tuple(_line(template, rng) for template in templates), f"{steps} {ending}")


def _line(template: Template, rng: np.random.Generator) -> Line:
    number = int(rng.integers(2, 10))
    phrase = template.phrases[rng.integers(len(template.phrases))]
    return Line(template.code.format(n=number), phrase.format(n=number))


def programs(rng: np.random.Generator, count: int, *, held_out: bool) -> list[Program]:
    """That many functions, all held out or none."""
    found: list[Program] = []
    while len(found) < count:
        if (one := program(rng)).held_out == held_out:
            found.append(one)
    return found


def share_of_comments(density: float, sample: Sequence[Program]) -> float:
    """The share of possible comments to write, each by chance, for this density of comments over characters.

    Density d is comment characters C over all characters: with a share s of the comments written, d = sC / (K + s(C + M)),
    where K are the characters of the code of `sample` and M those of markers, indents and line ends. Raises ValueError
    for a density that all comments together do not reach.
    """
    comments = [comment for one in sample for comment in one.comments]
    told = sum(len(said(comment)) for comment in comments)
    code = sum(len(one.code()) for one in sample)
    share = density * code / (told - density * sum(map(len, comments)))
    if not 0 <= share <= 1:
        raise ValueError(f"a density of {density} needs a share of {share:.2f} of the comments")
    return share


def said(comment: str) -> str:
    """A comment line without its marker and the space around it: what counts as comment in a density."""
    return comment.strip().removeprefix("# ")


class Task(NamedTuple):
    """A held-out intent with unit tests."""

    program: Program
    tests: str

    @property
    def prompt(self) -> str:
        """What a model goes on from."""
        return self.program.intent + HEAD


def tasks(rng: np.random.Generator, count: int, *, cases: int = 6) -> list[Task]:
    """Held-out intents of different templates, whose tests tell more than one answer apart."""
    found: dict[str, Task] = {}
    while len(found) < count:
        one = programs(rng, 1, held_out=True)[0]
        answers = [(values, _answer(one, values)) for values in _inputs(rng, cases)]
        if len({repr(answer) for _, answer in answers}) > cases // 2:
            tests = "".join(f"assert solve({values}) == {answer}\n" for values, answer in answers)
            found.setdefault(one.key, Task(one, tests))
    return list(found.values())


def _inputs(rng: np.random.Generator, cases: int) -> list[list[int]]:
    return [rng.integers(-9, 21, size=rng.integers(5, 11)).tolist() for _ in range(cases)]


def _answer(one: Program, values: list[int]) -> Any:
    """What the function, which is made of our own templates, returns."""
    space: dict[str, Any] = {}
    exec(one.code(), space)
    solve: Callable[[list[int]], Any] = space["solve"]
    return solve(list(values))
