"""`interp dictionaries`: train sparse dictionaries at every write site, and measure what they keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.output import emit

app = typer.Typer(no_args_is_help=True, help="Sparse dictionaries of what each site writes.")

Model = Annotated[Path | None, typer.Option(help="An Othello transformer's file; without it the shipped one.")]


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    kind: Annotated[str, typer.Option(help="topk, l1 (the paper's), batchtopk, jumprelu, or transcoder.")] = "topk",
    model: Model = None,
    steps: Annotated[int, typer.Option(min=10, help="More than before prolongs a run.")] = 6_600,
    games: Annotated[int, typer.Option(min=1, help="Games a step, 59 positions each.")] = 128,
    k: Annotated[int, typer.Option(min=1, help="Active features a position (kind l1 has none to set).")] = 32,
    l1: Annotated[float, typer.Option(min=0, help="Weight of kind l1's penalty on unit-variance activations.")] = 0.5,
    seed: int = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0, ...")] = "auto",
) -> None:
    """Train a set for the Othello transformer, all sites at once."""
    from interp.dictionaries.train import DictionaryTraining
    from interp.dictionaries.train import train as run
    from interp.othello.transformer import load, load_shipped

    settings = DictionaryTraining(kind, steps, games, k=k, l1=l1, seed=seed, resample_every=0 if kind == "l1" else 250)
    run(settings, load(model) if model else load_shipped(), out, device=device)
    emit({"set": str(out / "set")}, as_json=False, text=f"the set is in {out / 'set'}")


@app.command()
def evaluate(
    dictionary_set: Annotated[str, typer.Option("--set", help="topk, l1, or a folder of dictionaries.")] = "topk",
    model: Model = None,
    games: Annotated[int, typer.Option(min=1)] = 200,
    seed: int = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure sparsity, reconstruction, loss recovered and legality after splicing, on unseen games."""
    from interp.dictionaries import load_set
    from interp.dictionaries.evaluate import evaluate_set
    from interp.othello.transformer import load, load_shipped

    dictionaries = load_set(dictionary_set)
    result = evaluate_set(load(model) if model else load_shipped(), dictionaries, games=games, seed=seed)
    lines = ["site  active  explained  recovered  zero cost  alive"]
    for row in result.sites:
        lines.append(
            f"{row['site']:4s} {row['l0']:7.1f} {row['explained_variance']:10.4f} {row['loss_recovered']:10.4f} "
            f"{row['zero_cost']:10.4f} {row['alive']:6.2f}"
        )
    lines.append(f"legal first choice: {result.model_legal_top1:.4f}, all sites spliced {result.joint_legal_top1:.4f}")
    emit(result._asdict(), as_json=as_json, text="\n".join(lines))
