"""`interp lm`: the small decoder language model whose heads and in-context learning are watched emerge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit, numbers

app = typer.Typer(no_args_is_help=True, help="A small decoder language model, with checkpoints at log-spaced steps.")


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/lm"),
    steps: Annotated[int, typer.Option(min=10, help="Steps of the whole run; more than before prolongs it.")] = 8_000,
    batch: Annotated[int, typer.Option(min=1, help="Sequences of 512 tokens a step.")] = 4,
    layers: Annotated[int, typer.Option(min=1)] = 4,
    d_model: Annotated[int, typer.Option(min=16, help="Width of the residual stream.")] = 128,
    heads: Annotated[int, typer.Option(min=1, help="Attention heads a layer.")] = 4,
    text: Annotated[str, typer.Option(help="default (text installed here), or a .txt or .jsonl file.")] = "default",
    warm_start: Annotated[str, typer.Option(help="Folder of a checkpoint to begin from.")] = "",
    seed: int = 1,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train it on real text, invented worlds and demonstrations of tasks; a checkpoint loads like any Hub model."""
    from accelerate import PartialState

    from training.lm.train import DecoderTraining
    from training.lm.train import train as run

    settings = DecoderTraining(steps, batch, layers, d_model, heads, text=text, warm_start=warm_start, seed=seed)
    results = run(settings, out, device=device)
    if PartialState().is_main_process:
        told = ", ".join(f"{name.removesuffix('_loss')} {loss:.3f}" for name, loss in results.items())
        emit(results, as_json=as_json, text=f"held-out loss in nats a token: {told}")


@app.command("ship")
def ship_decoder(
    run: Annotated[Path, typer.Argument(help="Run folder, finished and measured by `interp heads emergence`.")],
    steps: Annotated[str, typer.Option(help="Checkpoints to ship beside the last one, commas between.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a run's decoder the one that comes with the package: some checkpoints, and what was measured at all."""
    from training.lm.ship import ship

    manifest = ship(run, numbers(steps) if steps else ())
    emit(manifest, as_json=as_json, text=f"shipped: {', '.join(manifest['sha256'])}")
