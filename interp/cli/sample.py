"""`interp sample`: cluster a corpus, and draw from its clusters such that rare ones are seen and none is overdone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit, numbers
from interp.cli.schedules import (
    Alpha,
    Asked,
    Clip,
    Draws,
    Kind,
    PerToken,
    ScheduleFile,
    Seed,
    Then,
    TokenColumn,
    Tokenizer,
    Tokens,
    Turns,
)
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from training.sampling.expected import Expectation
    from training.sampling.grouped import GroupedCorpus
    from training.sampling.schedule import Schedule

app = typer.Typer(no_args_is_help=True, help="Balanced sampling over the clusters of a corpus (ClusterClip).")

_SHOWN = 20
"""Clusters listed as text."""

Source = Annotated[
    str, typer.Argument(help="JSONL, CSV or Parquet (.gz and .zst too), a folder of .txt and .md, or hf:owner/name.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder that `interp sample prepare` made.")]
GroupedFolder = Annotated[Path, typer.Argument(help="Folder that `interp sample prepare` or `interp longtext score` made.")]
TextColumn = Annotated[str, typer.Option(help="Column with the text.")]
IdColumn = Annotated[str, typer.Option(help="Column with the identifiers; without one a document's place is its own.")]
Engine = Annotated[str, typer.Option(help="auto, inline, process (a pool of processes), or ray.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes of the engine.")]


@app.command()
def prepare(
    source: Source,
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    text_column: TextColumn = "text",
    id_column: IdColumn = "id",
    embedder: Annotated[
        str, typer.Option(help="minilm, tfidf, a folder in sentence-transformers' format, or a Hugging Face id owner/name.")
    ] = "minilm",
    clusters: Annotated[int, typer.Option(help="2 or more, at most the documents.")] = 50,
    duplicates: Annotated[
        float, typer.Option(help="Jaccard similarity from which a document is a near-duplicate; 0 looks for none.")
    ] = 0.8,
    iterations: Annotated[int, typer.Option(min=1, help="Most steps of k-means.")] = 300,
    clustering: Annotated[str, typer.Option(help="k-means by torch, or by faiss.")] = "torch",
    map_method: Annotated[str, typer.Option("--map", help="Two-dimensional map by umap, or by pca.")] = "umap",
    embedded: Annotated[
        Path | None,
        typer.Option(help="Finished run of the same corpus to take documents and embeddings from: for other --clusters."),
    ] = None,
    engine: Engine = "auto",
    workers: Workers = None,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Embed a corpus, set near-duplicates apart, cluster it, describe the clusters and lay out a map."""
    from training.sampling.prepare import Preparation
    from training.sampling.prepare import prepare as run

    asked: dict[str, Any] = {"text_column": text_column, "id_column": id_column, "embedder": embedder, "map": map_method}
    asked |= {"clusters": clusters, "duplicates": duplicates, "iterations": iterations, "clustering": clustering}
    where: dict[str, Any] = {"embedded": embedded, "engine": engine, "workers": workers, "device": device}
    found = run(source, out, Preparation(**asked, seed=seed), **where)
    if found:  # torchrun's other ranks have nothing to tell
        emit(found, as_json=as_json, text=_prepared_text(found, out))


@app.command()
def choose(
    run: RunFolder,
    clusters: Annotated[str, typer.Option(help="Numbers of clusters to try, commas between.")] = "10,20,50,100,200",
    sample: Annotated[int, typer.Option(min=1, help="Documents whose silhouette is measured.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    as_json: AsJson = False,
) -> None:
    """Help with the number of clusters: a prepared corpus clustered with each, near-duplicates left out.

    `prepare --embedded RUN --clusters K` makes a run of the one that is chosen, and embeds nothing again.
    """
    from training.sampling.choose_k import compare_k
    from training.sampling.folder import SamplingRun
    from training.sampling.kmeans import KMeansOptions
    from training.sampling.sampler import drawable
    from training.sampling.vectors import Subset

    corpus = SamplingRun.open(run)
    vectors = Subset(corpus.embeddings, drawable(corpus) >= 0)
    found = compare_k(vectors, numbers(clusters), KMeansOptions(seed=seed), sample=sample)
    emit(
        {"tried": found.to_dict("records")}, as_json=as_json, text=found.to_string(index=False, float_format="{:.4f}".format)
    )


@app.command()
def plan(
    run: Annotated[Path | None, typer.Argument(help="Folder that `interp sample prepare` made, or give --sizes.")] = None,
    sizes: Annotated[str | None, typer.Option(help="Documents of each cluster, commas between, instead of a run.")] = None,
    lengths: Annotated[str | None, typer.Option(help="With --sizes and --tokens: mean tokens of each cluster.")] = None,
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    on_exhausted: Then = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(help="Write the schedule to this YAML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Expected draws of every cluster, and when each is knocked out; draws nothing (arXiv 2402.14526)."""
    rule = (strategy, clip, alpha, order, on_exhausted)
    asked = Asked(*rule, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    schedule = _planned(asked, run, sizes, lengths)
    if out:
        schedule.write(out)
    foreseen = schedule.expected()
    _tell_shortage(schedule, foreseen)
    result = {
        "expected": foreseen.counts.tolist(),
        "clipped": foreseen.clipped,
        "clip_times": foreseen.clip_times.tolist(),
        "lambda": foreseen.level,
        "draws": foreseen.draws,
        "schedule": str(out) if out else None,
        **_told(schedule),
    }
    emit(result, as_json=as_json, text=_planned_table(schedule, foreseen))


@app.command()
def draw(
    run: GroupedFolder,
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    on_exhausted: Then = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    schedule: ScheduleFile = None,
    out: Annotated[Path | None, typer.Option(help="Write draws of every document to this Parquet file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw, and count: draws of each cluster beside what was expected, most repeats of a document."""
    from training.sampling.draws import draw as drawn_of
    from training.sampling.grouped import open_grouped

    rule = (strategy, clip, alpha, order, on_exhausted)
    asked = Asked(*rule, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    corpus = open_grouped(run)
    planned = asked.schedule(corpus, schedule)
    _tell_shortage(planned, planned.expected())
    began = time.perf_counter()
    drawn = drawn_of(corpus, planned)
    seconds = time.perf_counter() - began
    if out:
        _write_draws(out, corpus, drawn.documents)
    result = {
        "counts": drawn.counts.tolist(),
        "max_repeats": drawn.max_repeats,
        "expected": drawn.expected.tolist(),
        "clipped": drawn.clipped,
        "draws": drawn.total,
        "documents": drawn.different,
        "seconds": round(seconds, 4),
        **_told(planned),
    }
    emit(result, as_json=as_json, text=_drawn_text(result))


@app.command("export")
def export_corpus(
    run: GroupedFolder,
    out: Annotated[Path, typer.Option(help=".jsonl, .jsonl.gz, .jsonl.zst or .parquet.")],
    strategy: Kind = None,
    clip: Clip = None,
    alpha: Alpha = None,
    order: Turns = None,
    on_exhausted: Then = None,
    draws: Draws = None,
    tokens: Tokens = None,
    token_column: TokenColumn = None,
    tokenizer: Tokenizer = None,
    characters_per_token: PerToken = None,
    seed: Seed = None,
    schedule: ScheduleFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the resampled corpus: documents in the order in which they are drawn, repeats included."""
    from training.sampling.export import export
    from training.sampling.grouped import open_grouped

    rule = (strategy, clip, alpha, order, on_exhausted)
    asked = Asked(*rule, draws, tokens, token_column, tokenizer, characters_per_token, seed)
    corpus = open_grouped(run)
    planned = asked.schedule(corpus, schedule)
    _tell_shortage(planned, planned.expected())
    began = time.perf_counter()
    done = export(corpus, planned.sampler(corpus), out)
    result = {"out": str(out), **done._asdict(), "seconds": round(time.perf_counter() - began, 3), **_told(planned)}
    text = f"{out}: {done.draws:,} documents, {done.documents:,} different ones, none more than {done.max_repeats} times"
    emit(result, as_json=as_json, text=text)


@app.command("assign")
def assign_new(
    run: RunFolder,
    source: Source,
    out: Annotated[Path, typer.Option(help="Run folder of the new documents; a run that is there goes on.")],
    text_column: TextColumn = "text",
    id_column: IdColumn = "id",
    engine: Engine = "auto",
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Assign new documents to the clusters of a prepared corpus, embedded as those were."""
    from training.sampling.folder import SamplingRun
    from training.sampling.newcomers import assign_corpus

    asked: dict[str, Any] = {"text_column": text_column, "id_column": id_column, "engine": engine, "workers": workers}
    found = assign_corpus(SamplingRun.open(run), source, out, device=device, **asked)
    if found:
        told = f"{found['documents']:,} documents, {found['set_aside']:,} rows set aside, mean similarity"
        emit(found, as_json=as_json, text=f"{out / 'assignments.parquet'}: {told} {found['similarity']:.3f}")


def _prepared_text(found: dict[str, Any], out: Path) -> str:
    return (
        f"{out}: {found['documents']:,} documents in {found['clusters']} clusters, {found['duplicates']:,} near-duplicates, "
        f"{found['set_aside']:,} rows set aside, inertia {found['inertia']:.4f}"
    )


def _planned(asked: Asked, run: Path | None, sizes: str | None, lengths: str | None) -> Schedule:
    """Schedule over a run, or over sizes alone. Raises UserError for both or neither."""
    from training.sampling.schedule import Schedule

    if (run is None) == (sizes is None):
        raise UserError("clusters are given " + ("twice" if run else "nowhere") + "; accepted is either a run or --sizes")
    if run is not None:
        from training.sampling.folder import SamplingRun

        return asked.schedule(SamplingRun.open(run), None)
    strategy, budget, count = asked.rule()
    counts, means = numbers(sizes or ""), numbers(lengths) if lengths else None
    if means is not None and len(means) != len(counts):
        raise UserError(f"--lengths has {len(means)} numbers for the {len(counts)} of --sizes; accepted is one a cluster")
    return Schedule(strategy, budget, counts, asked.seed or 0, None, means and tuple(map(float, means)), count)


def _tell_shortage(schedule: Schedule, foreseen: Expectation) -> None:
    """Say on standard error if the clips allow less than the budget, and what comes then."""
    import numpy as np

    limits = schedule.strategy.limits(np.array(schedule.sizes))
    if len(foreseen.clipped) == np.count_nonzero(limits):
        asked, unit = schedule.budget.amount, schedule.budget.unit
        told = f"all clusters are knocked out after {limits.sum():,.0f} draws, within the {asked:,} {unit} asked for"
        stops = f"whatever the strategy, each is passed {schedule.strategy.clip:g} times; --on-exhausted random goes on"
        goes_on = "what is left is drawn at random from all documents"
        typer.echo(f"interp: {told}; {stops if schedule.strategy.on_exhausted == 'stop' else goes_on}", err=True)


def _told(schedule: Schedule) -> dict[str, Any]:
    """What the figures rest on."""
    from dataclasses import asdict

    return {"strategy": schedule.strategy.settings(), "budget": asdict(schedule.budget), "seed": schedule.seed}


def _write_draws(out: Path, corpus: GroupedCorpus, drawn: Any) -> None:
    from interp.runs.atomic import write_frame

    write_frame(out, corpus.assignments[["id", "cluster", "duplicate_of"]].assign(draws=drawn))


def _planned_table(schedule: Schedule, foreseen: Expectation) -> str:
    import pandas as pd

    table = pd.DataFrame({"size": schedule.sizes, "expected": foreseen.counts, "knocked out after": foreseen.clip_times})
    table.insert(2, "passes", table["expected"] / table["size"].where(table["size"] > 0))
    shown = table.head(_SHOWN).to_string(index_names=False, float_format="{:.2f}".format)
    return (
        f"{shown}\n{len(foreseen.clipped)} of {len(table)} clusters are knocked out within {foreseen.draws:,.0f} draws"
        + (f"; shown are the first {_SHOWN}" if len(table) > _SHOWN else "")
    )


def _drawn_text(result: dict[str, Any]) -> str:
    import pandas as pd

    table = pd.DataFrame({"draws": result["counts"], "expected": result["expected"]})
    return (
        f"{table.head(_SHOWN).to_string(float_format='{:.2f}'.format)}\n"
        f"{result['draws']:,} draws of {result['documents']:,} documents, none more than {result['max_repeats']} times; "
        f"{len(result['clipped'])} of {len(table)} clusters knocked out"
    )


@app.command("compare")
def compare_strategies(
    run: RunFolder,
    out: Annotated[Path, typer.Option(help="Run folder; what is trained there already is not trained again.")],
    strategies: Annotated[str, typer.Option(help="Commas between.")] = "random,uniform,clusterclip,general_to_specific",
    clip: Annotated[float, typer.Option(help="Passes over a cluster; more than --passes, or see --on-exhausted.")] = 4.0,
    on_exhausted: Then = None,
    passes: Annotated[float, typer.Option(min=0, help="Documents drawn, over documents there are.")] = 3.0,
    skew: Annotated[float, typer.Option(min=0, help="Thin clusters out until sizes fall as rank^-skew.")] = 0.0,
    seeds: Annotated[int, typer.Option(min=2, help="Runs of each strategy.")] = 5,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a small decoder under each strategy at equal draws: losses of rare and common clusters, against random."""
    from training.sampling.comparison import Comparison, against, clipped, compare, tokens_read
    from training.sampling.folder import SamplingRun
    from training.sampling.strategy_training import StrategyTraining
    from training.sampling.token_corpus import CorpusOptions, token_corpus

    training = StrategyTraining(CorpusOptions(skew=skew), passes)
    asked = Comparison(tuple(strategies.split(",")), clip, on_exhausted or "stop", seeds, training)
    prepared = SamplingRun.open(run)
    table = compare(prepared, out, asked, device=device)
    corpus = token_corpus(prepared, out, asked.training.corpus)
    means = table.pivot_table(index="strategy", columns="part", values="loss").to_string(float_format="{:.3f}".format)
    result: dict[str, Any] = {"losses": table.to_dict("records"), "clipped": clipped(corpus, asked)}
    result |= {"tokens_read": tokens_read(corpus, asked)}
    result |= {"against_random": against(table).to_dict("records")} if "random" in set(table.strategy) else {}
    emit(result, as_json=as_json, text=f"loss on held-out documents, nats a token\n{means}")


@app.command()
def documentation(
    out: Annotated[Path, typer.Argument(help="JSON lines to write.")],
    characters: Annotated[int, typer.Option(min=1, help="At most so many, of random documents.")] = 1_000_000,
    packages: Annotated[bool, typer.Option("--packages", help="Docstrings of the installed packages too.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Write Python's own documentation as a corpus: something to prepare where there is nothing else."""
    from training.sampling.documentation import write_documentation

    written = write_documentation(out, characters=characters, packages=packages, seed=seed)
    text = f"{out}: {written['documents']:,} documents, {written['characters']:,} characters"
    emit(written, as_json=as_json, text=text)


@app.command("ship")
def ship_run(run: RunFolder, as_json: AsJson = False) -> None:
    """Make a prepared run the one that comes with the package, without its embeddings."""
    from training.sampling.ship import DEMO, ship

    manifest = ship(run)
    emit(manifest, as_json=as_json, text=f"{DEMO}: {', '.join(manifest['sha256'])}")
