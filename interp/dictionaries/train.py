"""Train dictionaries at every write site of the Othello transformer on one stream of activations, never stored.

Each step plays fresh games, runs the frozen transformer once, and updates all sites' dictionaries (`Bank`) on all
positions after plies 1 .. 59. The stream is a function of the step number, so a killed run goes on to the same
result.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from interp.dictionaries.bank import Bank, Objective, resample
from interp.dictionaries.base import Dictionary
from interp.dictionaries.relu import ReluDictionary
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.topk import TopKDictionary
from interp.othello.games import PLIES, random_games, tokens
from interp.othello.transformer import OthelloTransformer
from interp.runs.device import resolve
from interp.runs.folder import Run
from interp.runs.loop import Job, fit
from interp.runs.schedule import Schedule

_SCALE_GAMES = 200


@dataclass(frozen=True)
class DictionaryTraining:
    """Settings of one run."""

    steps: int = 6_600
    games: int = 128
    """Games a step, over all processes; each gives 59 positions."""
    d_sae: int = 1024
    k: int = 32
    """Largest number of active features a position; 0 for ReLU with an L1 penalty."""
    l1: float = 0.0
    """Weight of the summed activations against the squared error of unit-variance activations."""
    lr: float = 1e-3
    warmup: int = 200
    decay_share: float = 0.3
    resample_every: int = 250
    """Steps between revivals of dead features; 0 for none, as (it seems) in the paper."""
    dead_after: int = 500_000
    """Positions without firing after which a feature counts as dead."""
    seed: int = 2

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule(self.steps, min(self.warmup, self.steps // 10), round(self.decay_share * self.steps))


class OthelloDictionaryJob(Job):
    """One bank over all write sites of one frozen transformer."""

    module: Bank

    def __init__(self, settings: DictionaryTraining, model: OthelloTransformer, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.model = model.to(device).eval().requires_grad_(False)
        self.units_per_step = settings.games * (PLIES - 1)
        generator = torch.Generator().manual_seed(settings.seed)
        sites, d_model = len(model.sites), model.config.d_model
        self.module = Bank(sites, d_model, settings.d_sae, generator=generator).to(device)
        self.module.fit_scale(self._activations(0, _SCALE_GAMES))
        self.objective = Objective(k=settings.k, l1=settings.l1)
        self.optimizers = [torch.optim.Adam(self.module.parameters(), lr=settings.lr, betas=(0.9, 0.999), fused=True)]

    @torch.no_grad()
    def _activations(self, first: int, games: int) -> Tensor:
        played = random_games(games, seed=self.settings.seed, first=first)
        inputs = torch.from_numpy(tokens(played.moves[:, : PLIES - 1])).to(self.device)
        written = self.model.write_sites(inputs)
        return torch.stack([output.flatten(0, 1) for output in written.values()])

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """One forward of the transformer on this process's games, then all dictionaries' gradients."""
        state = PartialState()
        share = self.settings.games // state.num_processes
        self._latest = self._activations(step * self.settings.games + state.process_index * share, share)
        sums = self.module.backward(self._latest, self.objective)
        variance = self.model.config.d_model  # of scaled activations, by the choice of scale
        return {
            "loss": sums.squared_error.mean() / variance,
            "worst_unexplained": sums.squared_error.max() / variance,
            "l0": sums.l0.mean(),
        }

    def after_step(self, step: int) -> None:
        """Renormalise the decoders; now and then revive dead features, never during the decay."""
        self.module.normalise()
        every, schedule = self.settings.resample_every, self.settings.schedule
        if every and (step + 1) % every == 0 and step < schedule.decay_start:
            dead = (self.module.since_fired >= self.settings.dead_after).nonzero()
            generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
            resample(self.module, dead, self._latest, self.optimizers[0], self.settings.k, generator)

    def evaluate(self) -> dict[str, Any]:
        """Features that did not fire within the last `dead_after` positions, by site."""
        dead = (self.module.since_fired >= self.settings.dead_after).sum(-1)
        return {"dead": dict(zip(self.model.sites, dead.tolist(), strict=True))}

    def dictionaries(self) -> DictionarySet:
        """The bank's dictionaries, acting on raw activations: the sites' scales are folded into the biases."""
        found: dict[str, Dictionary] = {}
        kind: type[Dictionary] = TopKDictionary if self.settings.k else ReluDictionary
        for number, site in enumerate(self.model.sites):
            bank, scale = self.module, self.module.scale[number]
            dictionary = kind(self._config(kind, site))
            dictionary.load_state_dict(
                {
                    "W_enc": bank.encoder[number].T.contiguous(),
                    "b_enc": bank.encoder_bias[number] / scale,
                    "W_dec": bank.decoder[number],
                    "b_dec": bank.decoder_bias[number] / scale,
                }
            )
            found[site] = dictionary.eval().requires_grad_(False)
        return DictionarySet(found)

    def _config(self, kind: type[Dictionary], site: str) -> dict[str, Any]:
        hook = f"blocks.{site[1:-1]}.hook_{'attn' if site.endswith('A') else 'mlp'}_out"
        shared: dict[str, Any] = {
            "architecture": kind.architecture,
            "d_in": self.model.config.d_model,
            "d_sae": self.settings.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {"model_name": "othello", "hook_name": hook},
        }
        return shared | ({"k": self.settings.k, "rescale_acts_by_decoder_norm": False} if self.settings.k else {})


def train(settings: DictionaryTraining, model: OthelloTransformer, out: Path, *, device: str = "auto") -> DictionarySet:
    """Train, or go on with, the run at `out`; write the set to `out/set` and return it."""
    job = OthelloDictionaryJob(settings, model, resolve(device))
    run = Run.open(out, config=asdict(settings), seed=settings.seed, primary=PartialState().is_main_process)
    results = fit(job, run, settings.schedule)
    dictionaries = job.dictionaries()
    if run.primary:
        dictionaries.save(out / "set")
        run.finish(results)
    return dictionaries
