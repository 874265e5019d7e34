"""Names that mean nothing: what is said about one can be learnt from the context alone."""

from __future__ import annotations

import numpy as np

from interp.heads.icl.tasks import task_words

_LETTERS = "BCDFGHJKLMOPQRTUVXYZ"
_ONSETS = "b d f g k l m n p r s t v z br dr gr kl pl st tr"
_VOWELS = "a e i o u ai ou"
_CODAS = "l n r s t x m ck nd"
HELD_OUT = task_words()
"""What the few-shot tasks are made of, and no invented document contains."""


def letters_or_names(rng: np.random.Generator, count: int) -> list[str]:
    """Different capital letters as in the paper's preprocessing, or different invented words, by chance."""
    if rng.integers(2):
        return list(rng.choice(list(_LETTERS), count, replace=False))
    return invented_names(rng, count)


def invented_names(rng: np.random.Generator, count: int) -> list[str]:
    """Different words of one or two syllables."""
    onsets, vowels, codas = (sounds.split() for sounds in (_ONSETS, _VOWELS, _CODAS))
    found: dict[str, None] = {}
    while len(found) < count:
        syllables = (rng.choice(onsets) + rng.choice(vowels) for _ in range(rng.integers(1, 3)))
        name = "".join(syllables) + str(rng.choice(codas))
        if name not in HELD_OUT:
            found[name] = None
    return list(found)
