"""Texts as a model reads them: pieces of bounded length, those of about one length in a batch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.runs.errors import UserError
from training.moe.records import Decoder, Tokens


class Piece(NamedTuple):
    """Tokens of a text that the model reads at once."""

    sequence: int
    """Number of the text in `documents`."""
    start: int
    """Position of its first token in the text."""
    ids: list[int]


def pieces_of(encoded: list[list[int]], first: int, length: int) -> Iterator[Piece]:
    """Texts, numbered from `first`, cut after every `length` tokens."""
    for number, ids in enumerate(encoded, first):
        for start in range(0, len(ids), length):
            yield Piece(number, start, ids[start : start + length])


def positions_of(config: Any) -> int:
    """Most tokens that a model of this config reads at once."""
    return getattr(config, "max_position_embeddings", None) or sys.maxsize


def check_fits(length: int, config: Any) -> None:
    """Raise UserError for pieces that a model of this config cannot read."""
    if length > (positions := positions_of(config)):
        told = f"pieces of {length} tokens are longer than the {positions} positions of the model"
        raise UserError(f"{told}; accepted are 1 to {positions}")


def batched(pieces: Iterable[Piece], tokens: int) -> Iterator[list[Piece]]:
    """Batches of at most `tokens` tokens, padding included, the longest pieces first; each holds one piece at least."""
    held: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.ids)):
        if held and (len(held) + 1) * len(held[0].ids) > tokens:
            yield held
            held = []
        held.append(piece)
    if held:
        yield held


def padded(
    batch: list[Piece], device: torch.device
) -> tuple[Int[Tensor, "sequence position"], Bool[Tensor, "sequence position"]]:
    """Tokens, filled up with token 0 on the right, and which of them are none of the filling."""
    rows = [torch.tensor(piece.ids) for piece in batch]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids.to(device), (torch.arange(ids.shape[1]) < lengths[:, None]).to(device)


def tokens_of(batch: list[Piece], ids: Tensor, mask: Tensor, tokenizer: Decoder) -> Tokens:
    """The batch's tokens by the texts they are of, and where in them."""
    numbered = Tokens.of(ids, tokenizer, mask=mask)
    piece, place = np.divmod(np.arange(ids.numel()), ids.shape[1])
    sequence, start = (np.array([getattr(one, name) for one in batch]) for name in ("sequence", "start"))
    owner = np.where(numbered.sequence >= 0, sequence[piece], -1)
    return Tokens(owner, place + start[piece], numbered.token_id, numbered.token)
