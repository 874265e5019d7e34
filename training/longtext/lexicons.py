"""Pronouns and connectives as data files of ours, and a compiled look-up of their entries.

A file in `lexicons/` has one entry a line; `#` begins what is for readers. Each file says where it comes from.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int32, UInt16

FOLDER = Path(__file__).parent / "lexicons"
_PLANE = 0x10000


@functools.cache
def lexicon(kind: Literal["pronouns", "connectives", "abbreviations"], language: Literal["en", "zh"]) -> tuple[str, ...]:
    """The entries of a file, in its order."""
    lines = (FOLDER / f"{kind}_{language}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


class Trie(NamedTuple):
    """A prefix tree over characters; node 0 is the root, and a step to 0 leads nowhere."""

    alphabet: UInt16[np.ndarray, " code"]
    """Column of a character, 0 for one that no entry has."""
    step: Int32[np.ndarray, "node column"]
    ends: Int32[np.ndarray, " node"]
    """Number of the entry that ends at a node, -1 for none."""


def trie(entries: Sequence[str]) -> Trie:
    """The tree of distinct entries, whose characters lie in the first 65,536."""
    alphabet = np.zeros(_PLANE, np.uint16)
    letters = sorted({character for entry in entries for character in entry})
    alphabet[[ord(letter) for letter in letters]] = np.arange(1, len(letters) + 1)
    step = np.zeros((1 + sum(map(len, entries)), len(letters) + 1), np.int32)
    ends = np.full(len(step), -1, np.int32)
    nodes = 1
    for number, entry in enumerate(entries):
        node = 0
        for column in alphabet[[ord(character) for character in entry]]:
            if not step[node, column]:
                step[node, column], nodes = nodes, nodes + 1
            node = step[node, column]
        ends[node] = number
    return Trie(alphabet, step[:nodes].copy(), ends[:nodes].copy())


@functools.cache
def lexicon_trie(kind: Literal["pronouns", "connectives", "abbreviations"], language: Literal["en", "zh"]) -> Trie:
    """The tree of a file's entries."""
    return trie(lexicon(kind, language))
