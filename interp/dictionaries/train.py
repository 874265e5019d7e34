"""Train dictionaries at every write site of the Othello transformer on one stream of activations, never stored.

Each step plays fresh games, runs the frozen transformer once, and updates all sites' dictionaries (`Bank`) on all
positions after plies 1 .. 59; transcoders stand at the MLPs only. The stream is a function of the step number, so a
killed run goes on to the same result.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from interp.dictionaries.job import DictionaryJob, Recipe, Stream
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.traffic import traffic
from interp.othello.games import POSITIONS, random_games, tokens
from interp.othello.transformer import OthelloTransformer
from interp.runs.device import resolve
from interp.runs.folder import Run
from interp.runs.loop import fit

_SAMPLE_GAMES = 200
"""For the scales: 11,800 positions."""


@dataclass(frozen=True)
class DictionaryTraining(Recipe):
    """Settings of one run."""

    games: int = 32
    """Games a step, over all processes; each gives 59 positions. Small steps learn more from a game than large ones."""


class OthelloDictionaryJob(DictionaryJob):
    """One bank over the sites of one frozen transformer."""

    def __init__(self, settings: DictionaryTraining, model: OthelloTransformer, device: torch.device) -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        self.device, self.units_per_step = device, settings.games * POSITIONS
        super().__init__(
            settings, model.sites, model.config.d_model, items=settings.games, sample=_SAMPLE_GAMES, device=device
        )

    def _stream(self, first: int, count: int) -> Stream:
        played = random_games(count, seed=self.settings.seed, first=first)
        inputs = torch.from_numpy(tokens(played.moves[:, :POSITIONS])).to(self.device)
        seen = traffic(self.model, inputs)
        written, read = (torch.stack([seen[site][end].flatten(0, 1) for site in self.sites]) for end in (1, 0))
        return Stream(written, read if self.kind.transcodes else None)

    def _metadata(self) -> dict[str, Any]:
        return {"model_name": "othello"}


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
