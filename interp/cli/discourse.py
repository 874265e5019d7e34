"""Verbs of `interp longtext` that make the discourse model of Cohesion_DMR."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit


def train_discourse(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/discourse"),
    steps: Annotated[int, typer.Option(min=10, help="Steps of the whole run; more than before prolongs it.")] = 3_000,
    batch: Annotated[int, typer.Option(min=2, help="Sentence pairs a step.")] = 256,
    text: Annotated[str, typer.Option(help="default (text installed here), or a .txt or .jsonl file.")] = "default",
    unrelated: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the pairs without a connective that are of two documents.")
    ] = 0.5,
    seed: int = 1,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train the classifier of neighbouring sentences on sentences that begin with a connective."""
    from accelerate import PartialState

    from training.longtext.discourse_data import PairOptions
    from training.longtext.discourse_training import DiscourseTraining
    from training.longtext.discourse_training import train_discourse as run

    settings = DiscourseTraining(steps, batch, text=text, pairs=PairOptions(unrelated=unrelated), seed=seed)
    results = run(settings, out, device=device)
    if PartialState().is_main_process:
        told = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in results.items())
        emit(results, as_json=as_json, text=f"held out: {told}")


def ship_discourse(
    run: Annotated[Path, typer.Argument(help="Finished run folder of `interp longtext train-discourse`.")],
    as_json: AsJson = False,
) -> None:
    """Make a run's classifier the one that comes with the package."""
    from training.longtext.discourse_training import ship_discourse as ship

    manifest = ship(run)
    emit(manifest, as_json=as_json, text=f"shipped: {len(manifest['classes']) - 1} connectives, sha256 {manifest['sha256']}")
