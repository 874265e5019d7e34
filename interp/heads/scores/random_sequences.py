"""Random sequences of unique tokens: nothing in them can be known, so what a head recalls it copies.

After the code of Bansal et al. 2022 (arXiv 2212.09095): the beginning-of-sequence token, then tokens drawn without
replacement from the merges of the tokenizer but the 4 % most and the 4 % least frequent. Sequence number s of 100 has
4 (2 s + 25) of them. Ours: tokenizers without merges give their tokens in the order of their ids, which frequency mostly
decides too; special and added tokens are never drawn; the part that is repeated begins the same sequence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.runs.errors import UserError

CUT = 0.04
"""Share of the tokens left out at either end of their order."""
REPEATS = 4


class TokenPool(NamedTuple):
    """Tokens to draw from."""

    ids: Int[np.ndarray, " token"]
    described: str
    """Where they come from, for a report."""


@dataclass(frozen=True)
class SequenceOptions:
    """How many sequences, and how long. Raises UserError for numbers that make none."""

    count: int = 10
    """The paper takes 100; ten of the same range tell heads apart as well and run in a minute on a CPU."""
    shortest: int = 25
    """Tokens of the part that is repeated, in the shortest sequence; the lengths between are evenly spaced."""
    longest: int = 223
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"{self.count} random sequences are refused; accepted are numbers from 1")
        if not 2 <= self.shortest <= self.longest:
            raise UserError(
                f"random sequences of {self.shortest} to {self.longest} tokens are refused: the shortest has at least 2 and "
                "the longest is not shorter"
            )

    @property
    def lengths(self) -> list[int]:
        """Of the repeated parts; with a count of 100 the paper's 25, 27, ..., 223."""
        return np.linspace(self.shortest, self.longest, self.count).round().astype(int).tolist()


PAPER = SequenceOptions(count=100)


class RandomSequence(NamedTuple):
    """Two sequences of the same length, both after the beginning-of-sequence token if the tokenizer has one."""

    unique: Int[Tensor, " pos"]
    """No token twice."""
    repeated: Int[Tensor, " pos"]
    """The first `period` tokens of `unique`, four times."""
    period: int
    begins: int
    """Position of the first random token: 1 after a beginning-of-sequence token, else 0."""


def random_sequences(tokenizer: Any, pool: TokenPool, options: SequenceOptions, context: int) -> list[RandomSequence]:
    """Draw sequences for a model that reads `context` tokens; each has a generator of its own.

    Raises UserError where the longest needs more tokens than the pool or the context has.
    """
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    needed = REPEATS * options.longest
    for found, where in ((len(pool.ids), "tokenizer offers"), (context - len(begin), "model reads")):
        if needed > found:
            raise UserError(
                f"a random sequence of {REPEATS} x {options.longest} tokens needs more than the {found} that this {where}; "
                f"accepted are at most {REPEATS} x {found // REPEATS}"
            )
    sequences = []
    for number, period in enumerate(options.lengths):
        generator = np.random.default_rng((options.seed, number))
        drawn = generator.choice(pool.ids, REPEATS * period, replace=False).tolist()
        unique, repeated = (torch.tensor(begin + tokens) for tokens in (drawn, drawn[:period] * REPEATS))
        sequences.append(RandomSequence(unique, repeated, period, len(begin)))
    return sequences


def token_pool(tokenizer: Any, vocabulary: int) -> TokenPool:
    """The tokens of a tokenizer that random sequences are made of; `vocabulary` is the number that the model embeds."""
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    merged = _merged(tokenizer)
    ordered = sorted(tokenizer.get_vocab().values()) if merged is None else merged
    usable = [token for token in dict.fromkeys(ordered) if token < vocabulary and token not in special]
    cut = int(CUT * len(usable))
    ids = np.array(usable[cut : len(usable) - cut], dtype=np.int64)
    kind = "in the order of their ids" if merged is None else "in the order of the tokenizer's merges"
    return TokenPool(ids, f"{len(ids):,} of {len(usable):,} tokens {kind}, without the first and the last {cut:,}")


def _merged(tokenizer: Any) -> list[int] | None:
    """Tokens that merges make, the most frequent first; None for a tokenizer without merges."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    model: Mapping[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    if not model.get("merges"):
        return None
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
    names = ("".join(pair) for pair in pairs)
    return [model["vocab"][name] for name in names if name in model["vocab"]]
