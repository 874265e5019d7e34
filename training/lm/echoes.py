"""Tokens that mean nothing together, said again and again: the shortest lesson in copying from the context.

Without it a model of this size and so few tokens forms no induction head: after 3.3 million tokens of text, worlds and
demonstrations a random sequence cost as much the second time as the first. Tokens are as frequent as in real text, and
lists of two as frequent as lists of forty: frequent tokens and short lists are learnt first and carry the rest along
(repetition speeds up the emergence of sparse attention: Zucchet et al. 2025, arXiv
2505.17863).
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

SHORTEST, LONGEST = 2, 40
_SAID_TOKENS = 40
"""A list is said often enough to be about as long as two of these, and at least twice."""


def echo(rng: np.random.Generator, pool: Int[Tensor, " token"]) -> Int[Tensor, " token"]:
    """One document: tokens drawn from `pool`, the whole list repeated."""
    length = int(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST + 1))))
    said = pool[torch.from_numpy(rng.integers(len(pool), size=length))]
    return said.repeat(int(rng.integers(2, max(2, 2 * _SAID_TOKENS // length) + 1)))
