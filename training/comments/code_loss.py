"""What a model expects of code: nats a token on the tokens that hold code, whatever else is read with them.

A token counts if it holds a character that is neither space nor in a comment. So the same tokens count, but for a few at
the seams, in a file with its comments and in the file that `strip` leaves of it: what differs is what was read before.
Docstrings that code rests on, which `strip` keeps, are code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.runs.device import autocast
from interp.runs.errors import UserError
from training.comments.layout import layout
from training.comments.source import Source


class CodeTokens(NamedTuple):
    """A text as tokens, an end token first, and which of them count."""

    tokens: Int[Tensor, " pos"]
    code: Bool[Tensor, " pos"]


def code_tokens(source: Source, tokenizer: Any) -> CodeTokens:
    """The tokens of a source.

    Raises Unreadable for a text that is none of its language, UserError for a tokenizer that does not tell where its
    tokens are.
    """
    if not tokenizer.is_fast:
        raise UserError("code tokens need a tokenizer that tells where in a text each token is (a fast one of transformers)")
    counted = np.array([not character.isspace() for character in source.text], dtype=bool)
    for comment in layout(source).comments:
        counted[comment.start : comment.end] = False
    found = tokenizer(source.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    code = [bool(counted[start:end].any()) for start, end in found.offset_mapping]
    return CodeTokens(torch.tensor([tokenizer.eos_token_id, *found.input_ids]), torch.tensor([False, *code]))


@torch.no_grad()
def code_nats(model: Any, read: CodeTokens, device: torch.device) -> float:
    """Summed nats of the tokens that count."""
    tokens = read.tokens[None].to(device)
    with autocast(device):
        logits = model(input_ids=tokens, use_cache=False).logits
    nats = cross_entropy(logits[0, :-1].float(), tokens[0, 1:], reduction="none")
    return float(nats[read.code[1:].to(device)].sum())
