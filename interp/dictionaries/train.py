"""Train dictionaries at every write site of the Othello transformer on one stream of activations, never stored.

Each step plays fresh games, runs the frozen transformer once, and updates all sites' dictionaries (`Bank`) on all
positions after plies 1 .. 59; transcoders stand at the MLPs only. The stream is a function of the step number, so a
killed run goes on to the same result.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from torch import Tensor

from interp.dictionaries.bank import Bank
from interp.dictionaries.base import Dictionary
from interp.dictionaries.kinds import KINDS
from interp.dictionaries.revival import resample
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.traffic import traffic
from interp.othello.games import PLIES, random_games, tokens
from interp.othello.transformer import OthelloTransformer
from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.folder import Run
from interp.runs.loop import Job, fit
from interp.runs.schedule import Schedule

_SAMPLE_GAMES = 200
"""For the scales: 11,800 positions."""


@dataclass(frozen=True)
class DictionaryTraining:
    """Settings of one run."""

    kind: str = "topk"
    """One of `interp.dictionaries.kinds.KINDS`."""
    steps: int = 6_600
    games: int = 128
    """Games a step, over all processes; each gives 59 positions."""
    d_sae: int = 1024
    k: int = 32
    """Active features a position: at most (topk), on average (batchtopk, transcoder), aimed at (jumprelu)."""
    l1: float = 0.5
    """Weight of the summed activations against the squared error of unit-variance activations (l1 alone)."""
    lr: float = 1e-3
    warmup: int = 200
    decay_share: float = 0.3
    resample_every: int = 250
    """Steps between revivals of dead features; 0 for none, as (it seems) in the paper."""
    dead_after: int = 500_000
    """Positions without firing after which a feature counts as dead."""
    seed: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"no kind of dictionary '{self.kind}'; kinds are {', '.join(KINDS)}")

    @property
    def schedule(self) -> Schedule:
        """Warm-up, constant, linear decay."""
        return Schedule(self.steps, min(self.warmup, self.steps // 10), round(self.decay_share * self.steps))


class Stream(NamedTuple):
    """Activations of some games, each [site, position, d_model]."""

    written: Tensor
    read: Tensor | None
    """For transcoders."""


class OthelloDictionaryJob(Job):
    """One bank over the sites of one frozen transformer."""

    module: Bank

    def __init__(self, settings: DictionaryTraining, model: OthelloTransformer, device: torch.device) -> None:
        self.settings, self.device, self.kind = settings, device, KINDS[settings.kind]
        self.model = model.to(device).eval().requires_grad_(False)
        self.sites = [site for site in model.sites if site.endswith("M") or not self.kind.transcodes]
        self.units_per_step = settings.games * (PLIES - 1)
        self.objective = self.kind.objective(settings.k, settings.l1)
        generator = torch.Generator().manual_seed(settings.seed)
        self.module = Bank(len(self.sites), model.config.d_model, settings.d_sae, generator=generator).to(device)
        self.module.fit(*self._stream(0, _SAMPLE_GAMES), self.objective)
        self.optimizers = [torch.optim.Adam(self.module.parameters(), lr=settings.lr, betas=(0.9, 0.999), fused=True)]

    def _stream(self, first: int, games: int) -> Stream:
        played = random_games(games, seed=self.settings.seed, first=first)
        inputs = torch.from_numpy(tokens(played.moves[:, : PLIES - 1])).to(self.device)
        seen = traffic(self.model, inputs)
        written, read = (torch.stack([seen[site][end].flatten(0, 1) for site in self.sites]) for end in (1, 0))
        return Stream(written, read if self.kind.transcodes else None)

    def backward(self, step: int) -> dict[str, float | Tensor]:
        """One forward of the transformer on this process's games, then all dictionaries' gradients."""
        state = PartialState()
        share = self.settings.games // state.num_processes
        self._latest = self._stream(step * self.settings.games + state.process_index * share, share)
        sums = self.module.backward(*self._latest, self.objective)
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
            resample(self.module, dead, *self._latest, self.objective, self.optimizers[0], generator)

    def evaluate(self) -> dict[str, Any]:
        """Features that did not fire within the last `dead_after` positions, by site."""
        dead = (self.module.since_fired >= self.settings.dead_after).sum(-1)
        return {"dead": dict(zip(self.sites, dead.tolist(), strict=True))}

    def dictionaries(self) -> DictionarySet:
        """The bank's dictionaries, acting on raw activations."""
        found: dict[str, Dictionary] = {}
        for number, site in enumerate(self.sites):
            dictionary = self.kind.dictionary(self._config(site))
            tensors = self.module.folded(number)
            dictionary.load_state_dict({name: tensors[name] for name in dictionary.state_dict()})
            found[site] = dictionary.eval().requires_grad_(False)
        return DictionarySet(found)

    def _config(self, site: str) -> dict[str, Any]:
        """SAELens' cfg.json."""
        layer, d_model = site[1:-1], self.model.config.d_model
        hook = f"blocks.{layer}.hook_{'attn' if site.endswith('A') else 'mlp'}_out"
        config: dict[str, Any] = {
            "architecture": self.kind.dictionary.architecture,
            "d_in": d_model,
            "d_sae": self.settings.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": not self.kind.transcodes,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {"model_name": "othello", "hook_name": hook, "trained_as": asdict(self.settings)},
        }
        if self.kind.transcodes:
            config["d_out"] = d_model
            config["metadata"] |= {"hook_name": f"blocks.{layer}.mlp.hook_in", "hook_name_out": hook}
        if self.settings.kind == "topk":
            config |= {"k": self.settings.k, "rescale_acts_by_decoder_norm": False}
        return config


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
