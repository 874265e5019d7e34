"""A model's further training on code, by low-rank adapters: every token is read, none is asked.

Texts are packed with an end token after each, again and again in a new order, until a number of tokens is reached: two
runs on texts of different lengths read equally many tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.models.load import CausalModel
from interp.runs.device import autocast
from interp.runs.errors import UserError
from interp.runs.schedule import Schedule
from training.comments.finetune import Adapter, AdapterJob, adapted
from training.lm.mix import packed
from training.lm.train import next_token_loss


@dataclass(frozen=True)
class Reading:
    """Settings of a run; all defaults are ours."""

    tokens: int = 16_384
    """Read in all, in whole steps."""
    batch: int = 2
    """Sequences a step."""
    context: int = 256
    """Tokens a sequence."""
    adapter: Adapter = field(default_factory=lambda: Adapter(rank=8, alpha=16))
    lr: float = 3e-4
    warmup: int = 6
    decay_share: float = 0.3

    @property
    def steps(self) -> int:
        """One at least."""
        return max(self.tokens // (self.batch * self.context), 1)

    @property
    def whole(self) -> int:
        """Tokens that the steps read."""
        return self.steps * self.batch * self.context

    @property
    def schedule(self) -> Schedule:
        """Of the learning rate."""
        return Schedule.of(self.steps, self.warmup, self.decay_share)


class ReadingJob(AdapterJob):
    """Cross-entropy of the next token."""

    def __init__(self, base: CausalModel, texts: Sequence[str], settings: Reading, seed: int, device: torch.device) -> None:
        """`base.model` gets an adapter put in. Raises UserError where there is no text."""
        if not any(texts):
            raise UserError("there is no code to read")
        self.settings, self.device = settings, device
        tokens = packed(_over_and_over(texts, seed), base.tokenizer, settings.whole)
        self.tokens = tokens.view(settings.steps, settings.batch, settings.context)
        super().__init__(adapted(base.model, settings.adapter, seed), settings.lr)
        self.units_per_step = settings.batch * settings.context

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read the step's sequences."""
        tokens = self.tokens[step].to(self.device)
        with autocast(self.device):
            logits: Any = self.model(input_ids=tokens, use_cache=False).logits
        loss = next_token_loss(logits.float(), tokens).mean()
        loss.backward()
        return {"loss": loss.detach()}


def _over_and_over(texts: Sequence[str], seed: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    while True:
        yield from (texts[number] for number in rng.permutation(len(texts)))
