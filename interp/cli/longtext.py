"""`interp longtext`: metrics of long texts, their types, and the mixture to train on (arXiv 2402.13583)."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.discourse import ship_discourse, train_discourse
from interp.cli.longtext_ship import ship
from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.longtext.fit import Shares
    from training.longtext.folder import LongTextRun
    from training.longtext.thresholds import Reference

app = typer.Typer(no_args_is_help=True, help="Quality and types of long texts (LongWanjuan).")
app.command("train-discourse")(train_discourse)
app.command("ship-discourse")(ship_discourse)
app.command("ship")(ship)

_SHOWN = 20
"""Documents listed as text."""

Source = Annotated[
    str, typer.Argument(help="JSONL, CSV or Parquet (.gz and .zst too), .txt, .md, a folder of them, or hf:owner/name.")
]
RunFolder = Annotated[Path, typer.Argument(help="Folder that `interp longtext score` made.")]


@app.command()
def score(
    source: Source,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; a run that is there goes on. Without it nothing is kept.")
    ] = None,
    language: Annotated[str, typer.Option(help="en, zh, or auto to look at each document.")] = "auto",
    metrics: Annotated[str, typer.Option(help="statistical, or all: those that need a model's forward passes too.")] = (
        "statistical"
    ),
    model: Annotated[
        str, typer.Option(help="Causal language model: a shipped name, a folder, or a Hugging Face id.")
    ] = "smollm2-135m-instruct",
    windows: Annotated[
        str, typer.Option(help="cpu: 4 windows of 512/256/128 tokens a document; paper: all of 4096/2048/1024.")
    ] = "cpu",
    thresholds: Annotated[
        str, typer.Option(help="constructed, published_shares, a file of `interp longtext fit`, or none: no types.")
    ] = "constructed",
    min_bytes: Annotated[int, typer.Option(min=0, help="Leave out documents below so many bytes.")] = 0,
    long_only: Annotated[bool, typer.Option("--long-only", help="The paper's filter: --min-bytes 32768.")] = False,
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    id_column: Annotated[str, typer.Option(help="Column with the identifiers; without one a place is its own.")] = "id",
    domain_column: Annotated[
        str, typer.Option(help="Column with the domain; without one all are of one domain.")
    ] = "domain",
    engine: Annotated[str, typer.Option(help="auto, inline, process (a pool of processes), or ray.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes of the engine.")] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Score documents by up to eight metrics, and give each a type: holistic, aggregated or chaotic."""
    from training.longtext.folder import LongTextRun
    from training.longtext.metrics import ScorerOptions
    from training.longtext.score import LONG_BYTES, Scoring
    from training.longtext.score import score as run_score

    scorer = ScorerOptions(metrics=metrics, model=model, windows=windows, device=device)  # type: ignore[arg-type]
    columns = {"text_column": text_column, "id_column": id_column, "domain_column": domain_column}
    least = max(min_bytes, LONG_BYTES) if long_only else min_bytes
    settings = Scoring(scorer, language, least_bytes=least, **columns)  # type: ignore[arg-type]
    where: dict[str, Any] = {"thresholds": thresholds, "engine": engine, "workers": workers}
    with _folder(out) as folder:
        found = run_score(source, folder, settings, **where)
        if found:  # torchrun's other ranks have nothing to tell
            run = LongTextRun.open(folder)
            result = {**found, "documents": _documents(run), "rejected": run.rejected(), "out": str(out) if out else None}
            emit(result, as_json=as_json, text=_scored_text(run, found))


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="interp-longtext-") as place:
        yield Path(place) / "run"


@app.command()
def fit(
    runs: Annotated[list[Path], typer.Argument(help="Folders that `interp longtext score` made, of one scorer.")],
    out: Annotated[Path, typer.Option(help="JSON file of thresholds to write.")],
    labels: Annotated[str | None, typer.Option(help="Metadata column with the known types to agree with.")] = None,
    shares: Annotated[
        str | None, typer.Option(help="published, or three shares of holistic, aggregated, chaotic, such as 0.9,0.08,0.02.")
    ] = None,
    extreme: Annotated[float, typer.Option(min=0, max=0.5, help="With --shares: distance from the middle rank.")] = 0.4,
    leave_out: Annotated[str | None, typer.Option(help="With --shares: a type by --labels that is no natural text.")] = None,
    only: Annotated[str | None, typer.Option(help="Fit to the documents with COLUMN=VALUE alone, such as side=fit.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fit thresholds to scored documents: to known types (--labels), or so that types have given shares (--shares)."""
    import pandas as pd

    from interp.runs.folder import about
    from training.longtext.fit import fit_labels, fit_shares, fitted_to, scale_of, thresholds_of
    from training.longtext.folder import LongTextRun

    if shares is None and leave_out is not None:
        raise UserError("--leave-out goes with --shares; known types are fitted to with all of them")
    if (shares is None) == (labels is None) and leave_out is None:
        raise UserError("thresholds are fitted either to --labels COLUMN or to --shares; give one of them")
    opened = [LongTextRun.open(run) for run in runs]
    kept = [fitted_to(run, labels, leave_out, only) for run in opened]
    scores = pd.concat(kept, ignore_index=True)
    if shares is not None:
        references = fit_shares(scores, _shares(shares), extreme=extreme)
    else:
        references = fit_labels(scores, scores["label"])
    sources = [str(run.manifest["config"]["source"]) for run in opened]
    found = thresholds_of(references, scorer=scale_of(opened), about=about(0) | {"sources": sources})
    found.write(out)
    emit({"out": str(out), "references": [_told(one) for one in references]}, as_json=as_json, text=_fitted_text(references))


def _shares(given: str) -> dict[str, Shares]:
    from training.longtext.fit import Shares
    from training.longtext.published import DOCUMENTS, total

    if given == "published":
        return {language: Shares(*total(language).shares) for language in DOCUMENTS}
    try:
        holistic, aggregated, chaotic = map(float, given.split(","))
    except ValueError:
        raise UserError(f"'{given}' is no shares; accepted are published, or three numbers with commas between") from None
    return dict.fromkeys(DOCUMENTS, Shares(holistic, aggregated, chaotic))


@app.command()
def mix(
    run: RunFolder,
    holistic: Annotated[float, typer.Option(help="How often a holistic document comes.")] = 1.0,
    aggregated: Annotated[float, typer.Option(help="How often an aggregated one.")] = 2.0,
    chaotic: Annotated[float, typer.Option(help="How often a chaotic one.")] = 0.0,
    language: Annotated[
        list[str] | None, typer.Option(help="Further factor of a language, such as zh=3; may be given twice.")
    ] = None,
    draws: Annotated[int | None, typer.Option(help="Budget in documents; one pass without it.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget in tokens of the scorer's model.")] = None,
    order: Annotated[str, typer.Option(help="Types drawn in turns (round_robin) or independently (iid).")] = "round_robin",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    schedule: Annotated[Path | None, typer.Option(help="Write the schedule to this YAML file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the resampled corpus: .jsonl (.gz, .zst) or .parquet.")] = None,
    as_json: AsJson = False,
) -> None:
    """The recipe over types: shares before and after, a schedule for samplers, and the resampled corpus."""
    from training.longtext.folder import LongTextRun
    from training.longtext.mix import Recipe, composition, mixture
    from training.sampling.export import export
    from training.sampling.strategies import Budget

    scored = LongTextRun.open(run)
    recipe = Recipe(holistic, aggregated, chaotic, tuple(map(_factor, language or ())))
    budget = None if draws is None and tokens is None else Budget.of(draws, tokens)
    planned = mixture(scored, recipe, budget=budget, order=order, seed=seed)  # type: ignore[arg-type]
    table = composition(scored, planned)
    if schedule:
        planned.write(schedule)
    written = export(scored, planned.sampler(scored), out)._asdict() if out else None
    result = {"groups": table.to_dict("records"), "schedule": str(schedule) if schedule else None}
    result |= {"out": str(out) if out else None, "written": written, "budget": vars(planned.budget), "seed": seed}
    emit(result, as_json=as_json, text=table.to_string(index=False, float_format="{:.3f}".format))


def _factor(given: str) -> tuple[str, float]:
    language, _, factor = given.partition("=")
    try:
        return language, {"en": float, "zh": float}[language](factor)
    except (KeyError, ValueError):
        raise UserError(f"'{given}' is no factor of a language; accepted are en or zh, then = and a number") from None


@app.command("explain")
def explain_document(
    document: Annotated[str, typer.Argument(metavar="ID", help="Identifier of the document.")],
    run: Annotated[Path, typer.Option(help="Folder that `interp longtext score` made.")],
    as_json: AsJson = False,
) -> None:
    """Why a document has its type: values, ranks, the rule that fired, how near the border is, and where to look."""
    import json

    from training.longtext.explain import explain
    from training.longtext.folder import LongTextRun

    found = explain(LongTextRun.open(run), document)
    emit(found, as_json=as_json, text=json.dumps(found, indent=1, ensure_ascii=False))


@app.command()
def construct(
    out: Annotated[Path, typer.Argument(help="JSON lines to write: id, text, type, language, source, kind, side.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="prose, pieces or rows, then :en or :zh, then : and a file or folder; many may be given."),
    ] = None,
    sources: Annotated[Path | None, typer.Option(help="A file with such a source on each line.")] = None,
    installed: Annotated[bool, typer.Option(help="English text that every machine has, too.")] = True,
    side: Annotated[str | None, typer.Option(help="fit or test: sources of that side only.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh only.")] = None,
    documents: Annotated[int, typer.Option(min=1, help="At most, of each language, type and side.")] = 24,
    size: Annotated[int, typer.Option(min=100, help="Bytes that each document reaches.")] = 32_768,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Write documents whose type is known by construction, to fit thresholds to or to judge them by.

    Of the English text that every machine has, the prose is Python's help topics, on which the shipped discourse model was
    trained: judge model metrics by sources of your own.
    """
    from interp.runs.errors import check_known
    from training.longtext.language import Language
    from training.longtext.truth import Side, Source, installed_sources, read_sources, write_truth
    from training.longtext.truth import construct as made

    if side is not None:
        check_known("side", side, Side)
    if language is not None:
        check_known("language", language, Language)
    named = [Source.of(one) for one in source or ()] + (read_sources(sources) if sources else [])
    named = [one for one in named + (installed_sources() if installed else []) if language in (None, one.language)]
    found = made(named, documents=documents, size=size, seed=seed)
    counts = write_truth((one for one in found if side in (None, one.side)), out)
    text = "\n".join(f"{name}: {count}" for name, count in counts.items())
    emit({"out": str(out), "documents": counts}, as_json=as_json, text=text)


def _documents(run: LongTextRun) -> list[dict[str, Any]]:
    """Documents with metrics as JSON has them: missing numbers as None, with the reasons."""
    import json

    from interp.runs.parts import Parts

    evidence = Parts(run.path / "evidence").column("evidence")
    rows = []
    for row, found in zip(run.scores.to_dict("records"), evidence, strict=True):
        plain = {name: None if value is None or value != value else value for name, value in row.items()}  # NaN
        if plain.pop("rejected") is None:
            missing = json.loads(found.as_py()).get("missing", {})
            if run.thresholds and not run.thresholds.find(row["language"], row["domain"]):
                missing["type"] = run.thresholds.lacks(row["language"], row["domain"])
            rows.append(plain | {"missing": missing})
    return rows


def _scored_text(run: LongTextRun, found: dict[str, Any]) -> str:
    shown = run.scores[["id", "language", "type", "type_basis", "margin", "rejected"]].head(_SHOWN)
    told = f"{found['scored']:,} documents scored, {found['rejected'] + found['set_aside']:,} rejected"
    return f"{shown.to_string(index=False, float_format='{:.3f}'.format)}\n{told}; {found['types']}"


def _told(reference: Reference) -> dict[str, Any]:
    cuts = {basis: vars(one) for basis, one in reference.cuts.items()}
    told = {"language": reference.language, "domain": reference.domain, "documents": reference.documents}
    return told | {"cuts": cuts, "fitted": reference.fitted}


def _fitted_text(references: tuple[Reference, ...]) -> str:
    lines = []
    for one in references:
        for basis, cuts in one.cuts.items():
            named = ", ".join(f"{name} {value:.3f}" for name, value in vars(cuts).items())
            lines.append(f"{one.language}/{one.domain}, {one.documents} documents, {basis}: {named}")
        for kind in one.fitted.get("below_one_document", ()):
            lines.append(
                f"{one.language}/{one.domain}: the share of {kind} is below one of {one.documents} documents: none is"
            )
    return "\n".join(lines)
