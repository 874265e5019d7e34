"""Level one: how much later tokens of a text gain from the earlier ones (arXiv 2402.13055, section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from interp.corpora.document import Document
from interp.corpora.windows import windows
from interp.heads.icl.readout import Readout
from interp.runs.errors import UserError

PLACES = ((50, 50), (50, 450))
"""The paper's (i, j)."""


class LossReduction(NamedTuple):
    """Mean loss on positions j .. i+j minus that on 0 .. i, in nats; more negative is better."""

    i: int
    j: int
    value: float
    low: float
    high: float
    """A 95 % interval over texts, bootstrapped."""


def beginnings(
    readout: Readout, documents: Iterable[Document], *, length: int = 501, count: int = 100
) -> Int[Tensor, "text pos"]:
    """The first `length` tokens of the first `count` documents that have so many, or of as many as there are.

    Raises UserError if there is none, or the model's context is shorter.
    """
    if (room := readout.model.bridge.cfg.n_ctx) < length:
        raise UserError(f"loss reduction needs {length} tokens a text; the model's context is {room}")
    tokenizer = readout.model.tokenizer

    def encode(piece: str) -> list[int]:
        return tokenizer(piece, add_special_tokens=False, verbose=False).input_ids

    found = windows(documents, encode, length=length, count=count, per_document=1)
    if not len(found):
        raise UserError(f"loss reduction needs texts of {length} tokens, and none of the documents has so many")
    return found


def loss_reductions(
    readout: Readout, texts: Int[Tensor, "text pos"], *, places: tuple[tuple[int, int], ...] = PLACES, seed: int = 0
) -> list[LossReduction]:
    """One for each (i, j); position 0 is the prediction of the second token."""
    losses = torch.cat([readout.losses(piece) for piece in texts.split(4)]).double().cpu().numpy()
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(losses), size=(2_000, len(losses)))
    found = []
    for i, j in places:
        gains = losses[:, j : i + j].mean(1) - losses[:, :i].mean(1)
        low, high = np.quantile(gains[drawn].mean(1), [0.025, 0.975])
        found.append(LossReduction(i, j, float(gains.mean()), float(low), float(high)))
    return found
