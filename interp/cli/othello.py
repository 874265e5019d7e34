"""`interp othello`: the rules, and the transformer that learns them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.othello.transformer import OthelloTransformer

app = typer.Typer(no_args_is_help=True, help="Rules of Othello, and the transformer that learns them.")

Model = Annotated[Path | None, typer.Option(help="A file of `interp othello train`; without it the shipped transformer.")]


def _transformer(model: Path | None, device: str) -> OthelloTransformer:
    from interp.othello.transformer import load, load_shipped
    from interp.runs.device import resolve

    where = resolve(device)
    return (load(model) if model else load_shipped()).to(where)


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
    model: Model = None,
    games: Annotated[int, typer.Option(min=1)] = 2000,
    seed: int = 7,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Measure on unseen games how legal the transformer's first choice and its probability are."""
    from interp.othello.evaluate import evaluate as measure

    transformer = _transformer(model, device)
    result = measure(transformer, games=games, seed=seed, device=transformer.unembed.weight.device)
    emit(result._asdict(), as_json=as_json, text=_told(result._asdict()))


@app.command()
def probe(
    model: Model = None,
    out: Annotated[Path, typer.Option(help="Run folder; fits that are there go on.")] = Path("runs/probes"),
    games: Annotated[int, typer.Option(min=1, help="Games to fit to.")] = 12_800,
    test_games: Annotated[int, typer.Option(min=2, help="Unseen games to measure on.")] = 1000,
    edits: Annotated[int, typer.Option(min=2, help="Games drawn for each kind of board edit.")] = 500,
    results: Annotated[Path | None, typer.Option(help="A file to write the report to, as JSON.")] = None,
    seed: int = 5,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Fit linear probes of the board at every depth, compare them with baselines, and edit the board through them."""
    from interp.othello.probe_report import as_table, probe_report, write_results

    transformer = _transformer(model, device)
    _, report = probe_report(transformer, out, games=games, test_games=test_games, edits=edits, seed=seed)
    if results:
        write_results(report, results)
    emit(report.rows(), as_json=as_json, text=as_table(report))


@app.command()
def play(
    model: Model = None,
    moves: Annotated[str, typer.Option(help='Moves to begin with, such as "f5 d6 c3".')] = "",
    you: Annotated[Literal["black", "white", "both"], typer.Option(help="Your side; both moves for both.")] = "black",
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the position as one JSON object, and do not play.")] = False,
) -> None:
    """Play against the transformer and see its probability of each move; type `undo` or `quit` in place of a move."""
    from interp.othello.notation import parse_moves
    from interp.othello.play import Table, position

    begun, transformer = parse_moves(moves), _transformer(model, device)
    if as_json:
        emit(position(transformer, begun)._asdict(), as_json=True, text="")
        return
    table = Table(transformer, begun, you=you)
    typer.echo(table.greeting())
    while not table.over:
        try:
            typer.echo(table.say(input("> ")))
        except UserError as error:
            typer.echo(f"interp: {error}", err=True)
        except EOFError:
            break


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")] = Path("runs/othello"),
    steps: Annotated[int, typer.Option(min=10, help="Steps of the whole run; more than before prolongs it.")] = 15_000,
    batch: Annotated[int, typer.Option(min=1, help="Games a step.")] = 64,
    decay_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the run in which the rate decays.")] = 0.4,
    warm_start: Annotated[str, typer.Option(help="Weights to begin from; take another --seed for fresh games.")] = "",
    seed: int = 1,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train the transformer on fresh random games."""
    from accelerate import PartialState

    from training.othello.train import OthelloTraining
    from training.othello.train import train as run

    settings = OthelloTraining(steps, batch, decay_share=decay_share, warm_start=warm_start, seed=seed)
    results = run(settings, out, device=device)
    if PartialState().is_main_process:
        emit(results, as_json=as_json, text=f"{_told(results)}; the weights are in {out / 'model.safetensors'}")


@app.command()
def ship(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished `interp othello train`, or of `probe`.")],
    half: Annotated[bool, typer.Option(help="Write, and measure, half precision.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a run's transformer, if it knows the rules well enough, or probes those that come with the package."""
    from training.othello.ship import ship as publish
    from training.othello.ship import ship_probes

    if (run / "probes.safetensors").exists():
        emit(ship_probes(run), as_json=as_json, text="shipped: the probes")
        return
    manifest = publish(run, half=half, device=device)
    emit(manifest, as_json=as_json, text=f"shipped: {_told(manifest['results'])}")


def _told(legality: Mapping[str, Any]) -> str:
    return f"first choice legal {legality['legal_top1']:.4f}, probability on legal moves {legality['legal_mass']:.4f}"
