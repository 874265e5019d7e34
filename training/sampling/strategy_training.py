"""The decoder trained on the documents that a strategy draws, and its loss on each cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.runs.device import autocast
from interp.runs.errors import UserError
from interp.runs.loop import Job
from interp.runs.schedule import Schedule
from training.lm.model import DecoderShape, new_decoder
from training.optimizers.split import split_optimizers
from training.sampling.sampler import ClusterSampler
from training.sampling.strategies import Budget, Strategy
from training.sampling.token_corpus import CorpusOptions, TokenCorpus

_READ = 256
"""Documents in one forward pass of a measurement."""


@dataclass(frozen=True)
class StrategyTraining:
    """Settings that all strategies of a comparison share."""

    corpus: CorpusOptions = field(default_factory=CorpusOptions)
    passes: float = 3.0
    """B/N: documents drawn over documents there are."""
    batch: int = 32
    """Documents a step."""
    layers: int = 2
    d_model: int = 128
    heads: int = 4
    muon_lr: float = 0.01
    adamw_lr: float = 1e-3

    @property
    def shape(self) -> DecoderShape:
        """The MLP is three times as wide as the model."""
        width, length = self.d_model, self.corpus.tokens
        return DecoderShape(self.corpus.vocab, self.layers, width, self.heads, 3 * width, length)

    def budget(self, corpus: TokenCorpus) -> Budget:
        """Draws of every strategy: whole steps."""
        return Budget(int(self.passes * corpus.sizes.sum()) // self.batch * self.batch)


class StrategyJob(Job):
    """The decoder on the documents that a strategy draws."""

    def __init__(
        self, corpus: TokenCorpus, settings: StrategyTraining, strategy: Strategy, seed: int, device: torch.device
    ) -> None:
        self.corpus, self.settings, self.device = corpus, settings, device
        budget = settings.budget(corpus)
        sampler = ClusterSampler(corpus.drawable, strategy, budget, seed=seed)
        self.drawn = np.concatenate(list(sampler.blocks()))
        if len(self.drawn) < budget.amount:
            raise UserError(
                f"clip {strategy.clip:g} allows {len(self.drawn):,} draws, fewer than the {budget.amount:,} of "
                f"{settings.passes:g} passes; accepted is a clip above {settings.passes:g}, or going on at random"
            )
        self.units_per_step = settings.batch * settings.corpus.tokens
        self.module = self.model = new_decoder(settings.shape, end=corpus.end, seed=seed).train().to(device)
        rates = {"muon_lr": settings.muon_lr, "adamw_lr": settings.adamw_lr, "weight_decay": 0.01}
        self.optimizers = split_optimizers(self.model, self.model.model.layers, **rates)

    @property
    def schedule(self) -> Schedule:
        """As long as the draws last."""
        return Schedule.of(len(self.drawn) // self.settings.batch, 50, 0.3)

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Read the step's documents."""
        numbers = self.drawn[step * self.settings.batch : (step + 1) * self.settings.batch]
        losses, read = self._losses(self.corpus.tokens[torch.from_numpy(numbers)])
        loss = losses.sum() / read.sum()
        loss.backward()
        return {"loss": loss.detach()}

    @torch.no_grad()
    def evaluate(self) -> dict[str, Any]:
        """Nats a token of each cluster, on documents held out and on documents that could be drawn."""
        return {
            "held_out": self._of_clusters(self.corpus.sample(held_out=True)),
            "trained": self._of_clusters(self.corpus.sample(held_out=False)),
        }

    def _of_clusters(self, numbers: Int[np.ndarray, " document"]) -> list[float]:
        sums, counts = [], []
        for part in np.array_split(numbers, max(1, len(numbers) // _READ)):
            losses, read = self._losses(self.corpus.tokens[torch.from_numpy(part)])
            sums.append(losses.sum(1).double().cpu().numpy())
            counts.append(read.sum(1).cpu().numpy())
        cluster = self.corpus.cluster[numbers]
        return (np.bincount(cluster, np.concatenate(sums)) / np.bincount(cluster, np.concatenate(counts))).tolist()

    def _losses(
        self, tokens: Int[Tensor, "document pos"]
    ) -> tuple[Float[Tensor, "document pos-1"], Bool[Tensor, "document pos-1"]]:
        """Nats of each token, 0 after a document's end, and which tokens are read at all: its end is the last one."""
        tokens = tokens.to(self.device)
        with autocast(self.device):
            logits = self.model(tokens, use_cache=False).logits
        read = tokens[:, :-1] != self.corpus.end
        return cross_entropy(logits[:, :-1].float().mT, tokens[:, 1:], reduction="none") * read, read
