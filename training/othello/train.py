"""Train the Othello transformer on random games that are played as they are needed.

The generator knows every legal move, so the target is the exact distribution of the next move (uniform over the legal
moves) in place of the one move sampled, which removes the target's noise from the gradient. Muon updates the matrices
of the blocks, AdamW the embeddings, the unembedding, biases and norms; all choices here are ours, the paper's
appendix with its settings is not public.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from interp.othello.evaluate import batch_of, cross_entropy, evaluate
from interp.othello.games import random_games
from interp.othello.transformer import OthelloTransformer, load, save
from interp.runs.device import autocast, resolve
from interp.runs.folder import Run
from interp.runs.loop import Job, fit
from interp.runs.schedule import Schedule
from training.optimizers.split import split_optimizers


@dataclass(frozen=True)
class OthelloTraining:
    """Settings of one run."""

    steps: int = 10_000
    batch: int = 64
    """Games a step, over all processes."""
    muon_lr: float = 0.02
    adamw_lr: float = 2e-3
    weight_decay: float = 0.01
    warmup: int = 100
    decay_share: float = 0.4
    """Share of the run in which the learning rate falls to zero."""
    warm_start: str = ""
    """A file of weights to begin from, in any precision; the optimizers begin afresh. Empty: random weights."""
    seed: int = 1

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule.of(self.steps, self.warmup, self.decay_share)


class OthelloJob(Job):
    """Cross-entropy against the exact next-move distribution, positions after plies 1 .. 59."""

    unit = "games"

    def __init__(self, settings: OthelloTraining, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.units_per_step = settings.batch
        generator = torch.Generator().manual_seed(settings.seed)
        fresh = OthelloTransformer(generator=generator) if not settings.warm_start else load(Path(settings.warm_start))
        self.module = self.model = fresh.train().to(device)
        rates = {"muon_lr": settings.muon_lr, "adamw_lr": settings.adamw_lr, "weight_decay": settings.weight_decay}
        self.optimizers = split_optimizers(self.model, self.model.blocks, **rates)

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Play this process's share of the games of `step` and back-propagate the mean loss."""
        state, batch = PartialState(), self.settings.batch
        share = batch // state.num_processes
        first = step * batch + state.process_index * share
        games = batch_of(random_games(share, seed=self.settings.seed, first=first), self.device)
        with autocast(self.device):
            logits = self.model(games.tokens)
        loss = cross_entropy(logits.float(), games.targets).mean()
        loss.backward()
        return {"loss": loss.detach()}

    def evaluate(self) -> dict[str, Any]:
        """Legality on 500 held-out games."""
        result = evaluate(self.model, games=500, seed=self.settings.seed, device=self.device)
        return {name: value for name, value in result._asdict().items() if name != "by_ply"}


def train(settings: OthelloTraining, out: Path, *, device: str = "auto") -> dict[str, Any]:
    """Train, or go on with, the run at `out`; write `model.safetensors` there and return the final metrics."""
    job = OthelloJob(settings, resolve(device))
    run = Run.open(out, config=asdict(settings), seed=settings.seed, primary=PartialState().is_main_process)
    results = fit(job, run, settings.schedule, evaluate_every=500)
    if run.primary:
        save(job.model, out / "model.safetensors", {"games": str(settings.steps * settings.batch)})
        run.finish(results)
    return results
