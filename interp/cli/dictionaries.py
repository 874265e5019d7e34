"""`interp dictionaries`: train sparse dictionaries at every write site, measure what they keep, and look at features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit, finite

if TYPE_CHECKING:
    from interp.dictionaries.evaluate import SetEvaluation
    from interp.dictionaries.language_evaluate import LanguageEvaluation
    from interp.othello.probes import Probes
    from interp.othello.transformer import OthelloTransformer

app = typer.Typer(no_args_is_help=True, help="Sparse dictionaries of what each site writes.")

Model = Annotated[Path | None, typer.Option(help="An Othello transformer's file; without it the shipped one.")]
AnyModel = Annotated[
    str | None, typer.Option(help="Without it the shipped Othello transformer; else its file, or a language model by name.")
]
Text = Annotated[str, typer.Option(help="For language models: default (text installed here), or a .txt or .jsonl file.")]
Context = Annotated[int, typer.Option(help="For language models: tokens a window of text.")]
Set = Annotated[str, typer.Option("--set", help="topk, l1, or a folder of dictionaries.")]


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    kind: Annotated[str, typer.Option(help="topk, l1 (the paper's), batchtopk, jumprelu, or transcoder.")] = "topk",
    model: AnyModel = None,
    sites: Annotated[str, typer.Option(help="For language models: all, or such as L5M,L8A-L12A.")] = "all",
    text: Text = "default",
    context: Context = 128,
    windows: Annotated[int, typer.Option(min=1, help="For language models: windows of text a step.")] = 4,
    steps: Annotated[int | None, typer.Option(min=10, help="26400, of language models 600; more prolongs a run.")] = None,
    d_sae: Annotated[int, typer.Option(min=16, help="Features a site.")] = 1024,
    games: Annotated[int, typer.Option(min=1, help="Games a step, 59 positions each.")] = 32,
    k: Annotated[int, typer.Option(min=1, help="Active features a position (kind l1 has none to set).")] = 32,
    l1: Annotated[float, typer.Option(min=0, help="Weight of kind l1's penalty on unit-variance activations.")] = 0.5,
    lr: Annotated[float, typer.Option(min=0, help="Peak learning rate of Adam.")] = 2e-3,
    warm_start: Annotated[str, typer.Option(help="A set to begin from; take another --seed for fresh games.")] = "",
    seed: int = 2,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a set, all sites at once, for the Othello transformer or a Hugging Face language model."""
    from accelerate import PartialState

    from interp.dictionaries.train import DictionaryTraining
    from interp.dictionaries.train import train as run

    shared: dict[str, Any] = {"kind": kind, "d_sae": d_sae, "k": k, "l1": l1, "lr": lr, "seed": seed}
    shared |= {"warm_start": warm_start}
    shared |= {"steps": steps} if steps else {}
    shared |= {"resample_every": 0} if kind == "l1" else {}
    if model is not None and _is_language(model):
        from interp.dictionaries.language import LanguageTraining, train_language
        from interp.models.load import load_language

        language = LanguageTraining(model=model, sites=sites, text=text, context=context, windows=windows, **shared)
        train_language(language, load_language(model, device=device), out)
    else:
        run(DictionaryTraining(games=games, **shared), _model(model), out, device=device)
    if PartialState().is_main_process:
        emit({"set": str(out / "set")}, as_json=as_json, text=f"the set is in {out / 'set'}")


@app.command()
def evaluate(
    dictionary_set: Set = "topk",
    model: AnyModel = None,
    games: Annotated[int, typer.Option(min=1)] = 200,
    text: Text = "default",
    context: Context = 128,
    seed: int = 7,
    as_json: AsJson = False,
) -> None:
    """Measure sparsity, reconstruction, loss recovered, legality after splicing and the board, on unseen games.

    With --model NAME of a language model: sparsity, reconstruction and loss after splicing, on held-out text.
    """
    if model is not None and _is_language(model):
        from interp.dictionaries.language_evaluate import evaluate_language_set
        from interp.dictionaries.language_sets import load_language_set
        from interp.models.load import load_language

        found = load_language_set(Path(dictionary_set))
        measured = evaluate_language_set(load_language(model), found, text=text, context=context)
        emit(measured._asdict(), as_json=as_json, text=_language_table(measured))
        return
    from interp.dictionaries import load_set
    from interp.dictionaries.evaluate import evaluate_set

    dictionaries = load_set(dictionary_set)
    result = evaluate_set(_model(model), dictionaries, games=games, seed=seed, probes=_probes(model))
    emit(result._asdict(), as_json=as_json, text=_evaluation_table(result))


@app.command()
def compare(
    sets: Annotated[list[str], typer.Argument(help="Names or folders of sets.")],
    model: Model = None,
    games: Annotated[int, typer.Option(min=1)] = 200,
    seed: int = 7,
    out: Annotated[Path | None, typer.Option(help="Write the table to this JSON file too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate several sets on the same games: sparsity against what is kept, a row a set.

    The file holds the sites of the shipped ones too.
    """
    from interp.dictionaries import load_set
    from interp.dictionaries.compare import summary
    from interp.dictionaries.evaluate import evaluate_set
    from interp.dictionaries.sets import shipped_sets
    from interp.runs.atomic import write_json
    from interp.runs.folder import about

    loaded, transformer = {name: load_set(name) for name in sets}, _model(model)
    measured = {name: evaluate_set(transformer, found, games=games, seed=seed) for name, found in loaded.items()}
    rows = [summary(name, loaded[name], result) for name, result in measured.items()]
    if out:
        sites = {name: measured[name].sites for name in shipped_sets() if name in measured}
        write_json(out, finite({"games": games, "sets": rows, "sites": sites, "about": about(seed)}))
    emit({"sets": rows}, as_json=as_json, text=_table(rows))


@app.command()
def features(
    dictionary_set: Set = "topk",
    search: Annotated[str, typer.Option(help='List features by label, such as "c4 mine", from cards made before.')] = "",
    limit: Annotated[int, typer.Option(min=1, help="Features to list.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Cards file; by default cards.parquet in the set's folder.")] = None,
    model: Model = None,
    games: Annotated[int, typer.Option(min=1, help="Games to make cards from, and as many to check labels.")] = 500,
    seed: int = 11,
    as_json: AsJson = False,
) -> None:
    """Make the feature cards of a set (what every feature does), or search those made before."""
    from interp.dictionaries import load_set
    from interp.dictionaries.cards import Cards, compute
    from interp.dictionaries.sets import set_folder

    path = out or set_folder(dictionary_set) / "cards.parquet"
    if not search:
        compute(_model(model), load_set(dictionary_set), path, probes=_probes(model), games=games, seed=seed)
        count = len(Cards(path))
        emit({"cards": str(path), "features": count}, as_json=as_json, text=f"{count} feature cards in {path}")
        return
    columns = ("site", "index", "label", "f1_held_out", "frequency", "maximum")
    found = [{name: getattr(card, name) for name in columns} for card in Cards(path).search(search, limit=limit)]
    emit({"features": found}, as_json=as_json, text=_table(found) if found else f"no feature's label has '{search}'")


@app.command("ship")
def ship_set(
    run: Annotated[Path, typer.Argument(help="Run folder of a finished `interp dictionaries train`.")],
    name: Annotated[str, typer.Option(help="Under which the set is found.")],
    as_json: AsJson = False,
) -> None:
    """Make a run's set one of those that come with the package: evaluated, with a manifest, without cards."""
    from interp.dictionaries.ship import ship

    manifest = ship(run, name, probes=_probes(None))
    emit(manifest, as_json=as_json, text=f"shipped; its cards: interp dictionaries features --set {name}")


def _is_language(model: str) -> bool:
    """Files of the Othello transformer are single safetensors files; everything else is a language model."""
    return not model.endswith(".safetensors")


def _model(path: str | Path | None) -> OthelloTransformer:
    from interp.othello.transformer import load, load_shipped

    return load(Path(path)) if path else load_shipped()


def _probes(model: str | Path | None) -> Probes | None:
    """The shipped probes, if the model is the shipped one and they are there."""
    from interp.othello.probes import SHIPPED, load_probes

    return load_probes() if model is None and SHIPPED.exists() else None


def _evaluation_table(result: SetEvaluation) -> str:
    names = ("site", "l0", "explained_variance", "loss_recovered", "zero_cost", "alive")
    rows = [
        {name: row[name] for name in names}
        | {"coverage": result.coverage[row["site"]], "reconstruction": result.reconstruction[row["site"]]}
        for row in result.sites
    ]
    joint = f"legal first choice: {result.model_legal_top1:.4f}, all sites spliced {result.joint_legal_top1:.4f}"
    return f"{_table(rows)}\n{joint}"


def _language_table(result: LanguageEvaluation) -> str:
    return (
        f"{_table(result.sites)}\nloss {result.loss:.4f}, all sites spliced {result.spliced_loss:.4f}, "
        f"all of them zero {result.zeroed_loss:.4f} (nats a token, {result.positions} positions)"
    )


def _table(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned columns."""
    import pandas as pd

    words = [{name.replace("_", " "): value for name, value in row.items()} for row in rows]
    return pd.DataFrame(words).to_string(index=False, float_format="{:.4f}".format)
