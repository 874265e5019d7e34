"""`interp othello`: the rules, and the transformer that learns them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.output import emit

app = typer.Typer(no_args_is_help=True, help="Rules of Othello, and the transformer that learns them.")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0, ...")]


@app.command()
def perft(depth: Annotated[int, typer.Option(min=1, max=11)] = 8, as_json: AsJson = False) -> None:
    """Count the move sequences of each length, the usual check of an engine."""
    from interp.othello.games import perft_counts

    counts = perft_counts(depth)
    lines = [f"{plies:3d} {count:,}" for plies, count in enumerate(counts, start=1)]
    emit({"counts": counts}, as_json=as_json, text="\n".join(lines))


@app.command()
def check(moves: Annotated[str, typer.Option(help='Such as "f5 d6 c3".')], as_json: AsJson = False) -> None:
    """Check a game against the rules."""
    from interp.othello.games import replay
    from interp.othello.notation import parse_moves

    played = replay(parse_moves(moves)).moves.size
    emit({"legal": True, "moves": played}, as_json=as_json, text=f"legal: {played} moves")


@app.command()
def evaluate(
    model: Annotated[Path, typer.Option(help="A file that `interp othello train` wrote.")],
    games: Annotated[int, typer.Option(min=1)] = 2000,
    seed: int = 7,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure on unseen games how legal the transformer's first choice and its probability are."""
    from interp.othello.evaluate import evaluate as measure
    from interp.othello.transformer import load
    from interp.runs.device import resolve

    where = resolve(device)
    result = measure(load(model).to(where), games=games, seed=seed, device=where)
    text = f"first choice legal {result.legal_top1:.4f}, probability on legal moves {result.legal_mass:.4f}"
    emit(result._asdict(), as_json=as_json, text=text)


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/othello"),
    steps: Annotated[int, typer.Option(min=10, help="Steps of the whole run; more than before prolongs it.")] = 15_000,
    batch: Annotated[int, typer.Option(min=1, help="Games a step.")] = 64,
    decay_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the run in which the rate decays.")] = 0.4,
    warm_start: Annotated[str, typer.Option(help="Weights to begin from; take another --seed for fresh games.")] = "",
    seed: int = 1,
    device: Device = "auto",
) -> None:
    """Train the transformer on fresh random games."""
    from training.othello.train import OthelloTraining
    from training.othello.train import train as run

    settings = OthelloTraining(steps, batch, decay_share=decay_share, warm_start=warm_start, seed=seed)
    results = run(settings, out, device=device)
    emit(results, as_json=True, text="")


@app.command()
def ship(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished `interp othello train`.")],
    half: Annotated[bool, typer.Option(help="Write, and measure, half precision.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a finished run the transformer that comes with the package, if it knows the rules well enough."""
    from training.othello.ship import ship as publish

    manifest = publish(run, half=half, device=device)
    measured = manifest["results"]
    legality = f"first choice legal {measured['legal_top1']:.4f}, probability on legal moves {measured['legal_mass']:.4f}"
    emit(manifest, as_json=as_json, text=f"shipped: {legality}")
