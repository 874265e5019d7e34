"""What a trained mixture is measured on: held-out real text, and few-shot demonstrations that no run reads.

The downstream task is that of `training.lm.demonstrations`: lines of words, each with a label that some rule gives. Right
is who gives the first token of the label as the most probable of all tokens, on lines with `SHOTS` examples before them
in the same document. (On the tasks of arXiv 2402.13055 the shipped decoder finds the form but not the rule: it is near
chance there, so that these would tell routers apart by noise alone.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.runs.errors import UserError
from training.lm.mix import invented

SHOTS = 3
"""Examples before the first line that counts."""
KINDS = ("real text", "demonstrations")
"""Names of the two, as domains of routing records have them."""
_FIRST = 2 * 10**9
"""Number of the first sequence; no run gets there (as in `training.lm.train`)."""


class HeldOut(NamedTuple):
    """Sequences of one length."""

    text: Int[Tensor, "sequence pos"]
    """Real text of held-out sources."""
    tasks: Int[Tensor, "sequence pos"]
    """Demonstrations."""
    asked: Bool[Tensor, "sequence pos"]
    """Tokens of `tasks` that are the first of a label and count."""

    def sample(self, count: int) -> tuple[Int[Tensor, "sequence pos"], list[str]]:
        """The first sequences of both kinds by turns, fewer than `count` if there are no more, and what each is."""
        pairs = zip(self.text, self.tasks, strict=False)
        told = [(tokens, kind) for pair in pairs for tokens, kind in zip(pair, KINDS, strict=True)][:count]
        return torch.stack([tokens for tokens, _ in told]), [kind for _, kind in told]


def held_out(text: Int[Tensor, " token"], tokenizer: Any, *, length: int, tasks: int, seed: int) -> HeldOut:
    """`text` cut into whole sequences, and so many sequences of demonstrations.

    Raises UserError for sequences too short for a label after the first examples.
    """
    count = len(text) // length
    pairs = [_task_sequence(tokenizer, length, seed, _FIRST + number) for number in range(tasks)]
    tokens, asked = (torch.tensor(column) for column in zip(*pairs, strict=True))
    if not asked.any():
        raise UserError(
            f"{tasks} demonstrations of {length} tokens hold no label after {SHOTS} examples; accepted are longer ones"
        )
    return HeldOut(text[: count * length].view(count, length).long(), tokens, asked)


def _task_sequence(tokenizer: Any, length: int, seed: int, number: int) -> tuple[list[int], list[bool]]:
    """Demonstrations one after the other, an end token after each, cut at `length`."""
    tokens: list[int] = []
    asked: list[bool] = []
    documents = invented("demonstration", seed, number)
    while len(tokens) < length:
        document = next(documents)
        read = tokenizer(document, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        tokens += [*read.input_ids, tokenizer.eos_token_id]
        asked += [*_labels(document, [end for _, end in read.offset_mapping]), False]
    return tokens[:length], asked[:length]


def _labels(document: str, ends: list[int]) -> list[bool]:
    """Whether a token, of which the end in the text is given, is the first of a label that counts."""
    first = set()
    for start in list(_label_starts(document))[SHOTS:]:
        first.add(next(number for number, end in enumerate(ends) if end > start))
    return [number in first for number in range(len(ends))]


def _label_starts(document: str) -> Iterator[int]:
    """Where the last word of each line begins."""
    before = 0
    for line in document.split("\n"):
        yield before + line.rindex(" ") + 1
        before += len(line) + 1
