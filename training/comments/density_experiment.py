"""Does reading comments help to write code? Decoders at several densities of comments, in pairs of equal seeds.

    <out>/<control>_<density>_<seed>/    a run of `training.comments.density_training`

Two controls, as comments lengthen code: equal tokens of code (comments come on top of the same programs), and equal tokens
in all (comments take the place of programs). Without comments both are the same run. After Song et al. 2024
(arXiv 2402.13013) in kind, who train models of billions of weights further on real code; templates, sizes and controls
are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.folder import Run, read_manifest
from interp.runs.loop import fit
from training.comments.density_training import Control, DensityJob, DensityTraining


@dataclass(frozen=True)
class DensityExperiment:
    """What is compared."""

    densities: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    """Comment characters over all characters; the first is what the others are compared with."""
    seeds: int = 5
    training: DensityTraining = field(default_factory=DensityTraining)

    def cells(self) -> Iterator[tuple[Control, float, int]]:
        """Control, density and seed of every run, all of a seed before the next seed."""
        for seed in range(self.seeds):
            for control in get_args(Control):
                yield from ((control, density, seed) for density in self.densities if density or control == "code")


def experiment(out: Path, settings: DensityExperiment = DensityExperiment(), *, device: str = "auto") -> pd.DataFrame:
    """Train and score every cell, or go on where that was left; return the rows of `measured`."""
    for control, density, seed in settings.cells():
        _train(settings.training, control, density, seed, _place(out, control, density, seed), device)
    return measured(out, settings)


def _place(out: Path, control: Control, density: float, seed: int) -> Path:
    return out / f"{control if density else 'code'}_{density:g}_{seed}"


def _train(settings: DensityTraining, control: Control, density: float, seed: int, out: Path, device: str) -> None:
    config = asdict(settings) | {"density": density, "control": control}
    if out.exists() and (found := read_manifest(out)).get("status") == "complete":
        if found["config"] != config or found["seed"] != seed:
            raise UserError(f"{out} was trained with other settings; take another folder")
        return
    run = Run.open(out, config=config, seed=seed)
    job = DensityJob(settings, density, control, seed, resolve(device))
    run.finish(fit(job, run, job.schedule))


def measured(out: Path, settings: DensityExperiment) -> pd.DataFrame:
    """Scores of finished runs, columns control, density, seed, pass_rate, exact_rate, programs, read_density, steps."""
    return pd.DataFrame(_rows(out, settings))


def _rows(out: Path, settings: DensityExperiment) -> Iterator[dict[str, Any]]:
    for control in get_args(Control):
        for density in settings.densities:
            for seed in range(settings.seeds):
                found = dict(read_manifest(_place(out, control, density, seed))["results"])
                found.pop("passed")
                found["read_density"] = found.pop("density")
                yield {"control": control, "density": density, "seed": seed, **found}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each control and density: mean scores over seeds, what was read, and the 95 % t intervals.

    `pass_low` and `pass_high` bound the pass rate; `gain` is the pass rate minus that without comments of the same seed,
    between `gain_low` and `gain_high`.
    """
    without = table[table.density == table.density.min()].set_index(["control", "seed"]).pass_rate
    paired = table.assign(gain=table.pass_rate - without.loc[list(zip(table.control, table.seed, strict=True))].to_numpy())
    return pd.DataFrame(
        [_summed(control, density, cells) for (control, density), cells in paired.groupby(["control", "density"])]
    )


def _summed(control: str, density: float, cells: pd.DataFrame) -> dict[str, Any]:
    low, high = interval(cells.pass_rate.to_numpy())
    gain_low, gain_high = interval(cells.gain.to_numpy())
    means = {
        name: float(cells[name].mean()) for name in ("pass_rate", "exact_rate", "gain", "read_density", "programs", "steps")
    }
    return {"control": control, "density": density, "seeds": len(cells), **means,
            "pass_low": low, "pass_high": high, "gain_low": gain_low, "gain_high": gain_high}  # fmt: skip


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % t interval of a mean; the mean twice for a single value."""
    from scipy.stats import t

    mean, count = float(values.mean()), len(values)
    half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5) if count > 1 else 0.0
    return mean - half, mean + half
