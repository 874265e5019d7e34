"""Lists that are read again: the shortest lesson in copying from the context.

Without it a model of this size and so few tokens forms no induction head: after 3.3 million tokens of text, worlds and
demonstrations a random sequence cost as much the second time as the first.
"""

from __future__ import annotations

import numpy as np

from training.lm.demonstrations import CATEGORIES
from training.lm.names import invented_names, letters_or_names

_SEPARATORS = (" ", ", ", "\n", " ; ", " - ")


def echo(rng: np.random.Generator) -> str:
    """One document: 8 to 40 words that mean nothing together, said 2 to 4 times in the same order."""
    words = [word for names in CATEGORIES.values() for word in names.split()]
    length = int(rng.integers(8, 41))
    pools = (words, invented_names(rng, length), letters_or_names(rng, 8))
    said = [str(rng.choice(pools[rng.integers(len(pools))])) for _ in range(length)]
    return str(rng.choice(_SEPARATORS)).join(said * int(rng.integers(2, 5)))
