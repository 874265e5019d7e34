"""What the decoder reads: sequences of real text, demonstrations, echoes and invented worlds, by turns.

Sequence number n is a function of the seed and n alone (and of the tokenised real text, which the run keeps), so a
killed run goes on to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.corpora.document import Document
from training.lm.demonstrations import demonstration
from training.lm.echoes import echo
from training.lm.names import HELD_OUT
from training.lm.worlds import world

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

INVENTED: dict[str, Callable[[np.random.Generator], str]] = {"world": world, "demonstration": demonstration}
"""Documents that are written as text; echoes are made of tokens."""
TURNS = ("text", "demonstration", "echo", "text", "demonstration", "echo", "world")
"""Kinds of consecutive sequences."""

_FAR = 10**9
"""Numbers from here on belong to no sequence."""
_SPACE = "Ġ"
"""How byte-level tokens write a space."""


def invented(kind: str, seed: int, number: int) -> Iterator[str]:
    """Documents of an invented kind without end, for one sequence."""
    rng = np.random.default_rng([seed, number])
    while True:
        yield INVENTED[kind](rng)


def packed_echoes(pool: Int[Tensor, " token"], *, end: int, length: int, seed: int, number: int) -> Int[Tensor, " token"]:
    """One sequence of echoes, an end token after each."""
    rng = np.random.default_rng([seed, number])
    documents: list[Tensor] = []
    while sum(map(len, documents)) < length:
        documents += [echo(rng, pool).long(), torch.tensor([end])]
    return torch.cat(documents)[:length]


def echo_pool(text: Int[Tensor, " token"], tokenizer: PreTrainedTokenizerFast) -> Int[Tensor, " token"]:
    """The tokens of real text, without the words and labels of the few-shot tasks."""
    vocabulary = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    kept_out = [number for number, token in enumerate(vocabulary) if token.lstrip(_SPACE) in HELD_OUT]
    return text[~torch.isin(text, torch.tensor([*kept_out, tokenizer.eos_token_id]))]


def packed(texts: Iterable[str], tokenizer: PreTrainedTokenizerFast, count: int) -> Int[Tensor, " token"]:
    """The first `count` tokens of the texts, an end token after each; fewer if the texts end before."""

    def tokens() -> Iterator[int]:
        for text in texts:
            yield from tokenizer(text, verbose=False).input_ids
            yield tokenizer.eos_token_id

    return torch.tensor(list(islice(tokens(), count)), dtype=torch.int64)


class Mix:
    """Numbered sequences of tokens."""

    def __init__(self, text: Int[Tensor, " token"], tokenizer: PreTrainedTokenizerFast, *, length: int, seed: int) -> None:
        """`text` is real text of at least one sequence; it begins again when it is at its end."""
        self.text, self.tokenizer, self.length, self.seed = text, tokenizer, length, seed
        self.pool = echo_pool(text, tokenizer)

    def sequences(self, first: int, count: int) -> Int[Tensor, "sequence pos"]:
        """Sequences `first` to `first + count`."""
        return torch.stack([self._sequence(number) for number in range(first, first + count)])

    def made(self, kind: str, number: int) -> Int[Tensor, " pos"]:
        """Sequence `number` as it would be if its kind were `kind`, any but text."""
        if kind == "echo":
            end = self.tokenizer.eos_token_id
            return packed_echoes(self.pool, end=end, length=self.length, seed=self.seed, number=number)
        return packed(invented(kind, self.seed, number), self.tokenizer, self.length)

    def _sequence(self, number: int) -> Tensor:
        kind = TURNS[number % len(TURNS)]
        if kind != "text":
            return self.made(kind, number)
        before = number // len(TURNS) * TURNS.count("text") + TURNS[: number % len(TURNS)].count("text")
        start = before % (len(self.text) // self.length) * self.length
        return self.text[start : start + self.length].long()


def tokenizer_sample(documents: Iterable[Document], *, texts: int, seed: int) -> Iterator[str]:
    """Text to train the tokenizer on: real documents, and after every third one a document of each invented kind."""
    for number, document in enumerate(islice(documents, texts)):
        yield document.text
        if number % 3 == 0:
            yield from (next(invented(kind, seed, _FAR + number)) for kind in INVENTED)
