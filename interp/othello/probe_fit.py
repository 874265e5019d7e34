"""Fit the board probes to a frozen transformer on fresh games.

AdamW (learning rate and weight decay 1e-2, as in Nanda et al. 2023, arXiv 2309.00941) on the cross-entropy. Fitting all
depths and both frames in one pass over one stream of games is our choice; the sum of their losses leaves each fit
independent. So is fitting to streams of unit mean square: the stream grows a hundredfold with depth, and one learning
rate would fit no two depths.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from accelerate import PartialState
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from interp.othello.evaluate import batch_of
from interp.othello.games import random_games
from interp.othello.probes import Probes, board_states, residual_streams
from interp.othello.transformer import OthelloTransformer
from interp.runs.folder import Run
from interp.runs.loop import Job, fit
from interp.runs.schedule import Schedule

_SCALE_GAMES = 100


class ProbeJob(Job):
    """Fit `Probes` to a frozen transformer on fresh games."""

    unit = "games"

    def __init__(self, model: OthelloTransformer, *, batch: int, seed: int) -> None:
        self.model, self.seed, self.units_per_step = model, seed, batch
        self.device = model.unembed.weight.device
        self.module = self.weights = Probes(model.config.n_layers + 1, model.config.d_model).to(self.device)
        self.optimizers = [torch.optim.AdamW(self.weights.parameters(), lr=1e-2, weight_decay=1e-2)]
        first = batch_of(random_games(_SCALE_GAMES, seed=seed), self.device)
        mean_square = residual_streams(model, first.tokens).square().mean((1, 2, 3))
        self.scale: Float[Tensor, " depth"] = mean_square.rsqrt()

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Back-propagate the cross-entropy, averaged over squares, positions, depths and frames for the report."""
        state = PartialState()
        share = self.units_per_step // state.num_processes
        first = step * self.units_per_step + state.process_index * share
        games = random_games(share, seed=self.seed, first=first)
        batch = batch_of(games, self.device)
        streams = residual_streams(self.model, batch.tokens).flatten(1, 2) * self.scale[:, None, None]
        # States before squares: the softmax over three entries then runs along 64 neighbours at a time.
        logits = torch.matmul(streams, self.weights.weight.mT.flatten(3))
        frames, depths, rows = logits.shape[:3]
        states = board_states(games).to(self.device).view(frames, 1, rows, 64).expand(-1, depths, -1, -1)
        loss = F.cross_entropy(logits.view(-1, 3, 64), states.reshape(-1, 64))
        # Summing over depths and frames keeps each probe's gradient what it would be alone.
        (loss * frames * depths).backward()
        return {"loss": loss.detach()}

    @torch.no_grad()
    def fitted(self) -> Probes:
        """The probes as they read the streams themselves: the scale folded into the weights."""
        probes = copy.deepcopy(self.weights)
        probes.weight.mul_(self.scale[:, None, None, None])
        return probes.requires_grad_(False)


def train_probes(
    model: OthelloTransformer, out: Path, *, games: int, batch: int = 16, seed: int = 3, label: str = "trained"
) -> Probes:
    """Fit probes to `model` in the run folder `out` (resumable); the learning rate decays over the last 40 %."""
    job = ProbeJob(model, batch=batch, seed=seed)
    steps = max(1, games // batch)
    config = {"steps": steps, "batch": batch, "transformer": label}
    run = Run.open(out, config=config, seed=seed, primary=PartialState().is_main_process)
    fit(job, run, Schedule.of(steps, 20, 0.4))
    run.finish({})
    return job.fitted()
