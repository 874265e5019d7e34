"""`interp comments augment`: a round in which a model comments code and then reads what the filters kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit


def augment(
    path: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; without any: the standard library and installed packages.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/comment_augmentation"),
    model: Annotated[
        str,
        typer.Option(help="smollm2-135m, a folder in transformers' format or with a LoRA adapter, or a Hub id owner/name."),
    ] = "smollm2-135m",
    files: Annotated[int, typer.Option(min=1, help="Functions and classes to be commented.")] = 300,
    held_out: Annotated[int, typer.Option(min=1, help="Functions and classes of other packages to measure on.")] = 40,
    tokens: Annotated[int, typer.Option(min=1, help="Read by each training.")] = 16_384,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each arm.")] = 2,
    margin: Annotated[
        float, typer.Option(help="Least log-odds of a comment's marker against the code that follows; 0 is greedy.")
    ] = -3.0,
    engine: Annotated[
        str, typer.Option(help="That comments: auto, inline, process (a pool of processes), or ray.")
    ] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of the engine.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Comment code by a model, then train that model on it, with the comments and without, and compare."""
    from training.comments.augmentation import Augmentation
    from training.comments.augmentation import augment as run
    from training.comments.augmentation_pieces import PieceOptions
    from training.comments.reading import Reading
    from training.comments.writer import WriterOptions

    settings = Augmentation(
        model, PieceOptions(files, held_out), WriterOptions(margin=margin, docstring_margin=margin),
        reading=Reading(tokens), seeds=seeds,
    )  # fmt: skip
    where: dict[str, Any] = {"engine": engine, "workers": workers, "device": device}
    result = run(out, settings, path, **where)
    emit(result, as_json=as_json, text=_text(out, result))


def _text(out: Path, result: dict[str, Any]) -> str:
    accepted = result["funnel"]["accepted"]
    lines = [
        f"{out}: {accepted} of {result['files']} files accepted; nats a token of code, {result['held_out']} files held out"
    ]
    lines.append(f"{'read':10} {'before':>8} {'plain':>8} {'augmented':>10} {'gain':>8}  95 % interval")
    for one in result["loss"]:
        figures = f"{one['before']:8.4f} {one['plain']:8.4f} {one['augmented']:10.4f} {one['gain']:8.4f}"
        lines.append(f"{one['read']:10} {figures}  {one['low']:.4f} to {one['high']:.4f}")
    return "\n".join(lines)
