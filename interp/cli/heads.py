"""`interp heads`: which attention heads recall the tail of a relation when they attend to its head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit, finite, numbers
from interp.heads.index.options import Average, OvToken, Source
from interp.runs.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from interp.heads.index.options import IndexOptions

app = typer.Typer(no_args_is_help=True, help="Attention heads: relations that they recall, copying, learning in context.")

Model = Annotated[str, typer.Option(help="A shipped name, a path, or a Hugging Face id owner/name.")]
_SHOWN = ["layer", "head", "relation", "direction", "index", "control", "excess", "q_value", "events", "triplets"]


@app.command()
def index(
    model: Model = "smollm2-135m",
    agenda: Annotated[Path | None, typer.Option(help="Abstracts with knowledge graphs (AGENDA's test.tsv).")] = None,
    conllu: Annotated[Path | None, typer.Option(help="Dependency trees in CoNLL-U.")] = None,
    table: Annotated[Path | None, typer.Option(help="UTF-8 TSV with the header text, head, relation, tail.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take the first so many abstracts, sentences or texts.")] = None,
    variant: Annotated[
        str, typer.Option(help="AGENDA as letters (the paper's), in plain words, or its syntax.")
    ] = "letters",
    vocabulary: Annotated[Path | None, typer.Option(help="AGENDA's names of relations, if not the paper's.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option(help="Dependency labels of a relation, such as subj=nsubj,csubj; once a relation.")
    ] = None,
    words: Annotated[
        str, typer.Option(help="Mentions of several tokens: first stands for them, or single words only.")
    ] = "first",
    source: Annotated[Source, typer.Option(help="What heads read: the residual stream, or embeddings alone.")] = "resid",
    ov_token: Annotated[OvToken, typer.Option(help="Whose value is unembedded.")] = "current",
    final_norm: Annotated[bool, typer.Option(help="Final norm before the unembedding, its scale frozen.")] = False,
    average: Annotated[Average, typer.Option(help="Over triplets, or over all events alike.")] = "macro",
    tau: Annotated[float, typer.Option(help="Least attention over the runner-up; 0 for the arg max alone.")] = 2.2,
    bos: Annotated[bool, typer.Option(help="Begin texts with the beginning-of-sequence token.")] = False,
    out: Annotated[Path | None, typer.Option(help="Run folder; a run that is there goes on.")] = None,
    seed: Annotated[int, typer.Option(help="Of permutations and bootstrap.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Relation index of every head, with matched random tails, p-values and intervals (arXiv 2402.13055)."""
    import time
    from dataclasses import asdict

    from interp.heads.index.options import IndexOptions

    began = time.monotonic()
    options = IndexOptions(source, ov_token, final_norm, average, tau or None, bos)
    reading: dict[str, Any] = {"agenda": agenda, "conllu": conllu, "table": table, "limit": limit, "variant": variant}
    reading |= {"vocabulary": vocabulary, "labels": _labels(labels)}
    found, counts = _index(model, options, reading, words, out, seed, device)
    given = {name: str(value) if isinstance(value, Path) else value for name, value in reading.items() if value is not None}
    asked = {"model": model, **given, "words": words, **asdict(options), "seed": seed}
    rows = found.to_dict("records")
    result = {"heads": rows, "relations": counts, "seconds": round(time.monotonic() - began, 2), "options": asked}
    emit(result, as_json=as_json, text=_strongest(found))


@app.command()
def icl(
    model: Model = "smollm2-135m",
    tasks: Annotated[str, typer.Option(help="all, or names with commas between.")] = "all",
    shots: Annotated[str, typer.Option(help="Numbers of examples in a prompt, commas between.")] = "0,1,2,3,5,10,20",
    prompts: Annotated[int, typer.Option(min=1, help="A task and number of shots.")] = 100,
    text: Annotated[str, typer.Option(help="For loss reduction: default (text installed here), or a file.")] = "default",
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """In-context learning at three levels: loss reduction, format compliance, pattern discovery."""
    from interp.heads.icl.levels import LevelOptions, levels
    from interp.models.load import load_language

    names = None if tasks == "all" else tuple(tasks.split(","))
    options = LevelOptions(names, numbers(shots), prompts, text, seed)
    found = levels(load_language(model, device=device), options)
    emit({"levels": finite(found.to_dict("records"))}, as_json=as_json, text=found.to_string(index=False))


@app.command()
def copying(
    model: Model = "smollm2-135m",
    sequences: Annotated[int, typer.Option(help="Random sequences; the paper takes 100.")] = 10,
    shortest: Annotated[int, typer.Option(help="Tokens of the shortest one's repeated part.")] = 25,
    longest: Annotated[int, typer.Option(help="Of the longest one's; sequences are four times as long.")] = 223,
    source: Annotated[Source, typer.Option(help="Copying from embeddings (the paper), or the residual stream.")] = "embed",
    ov_token: Annotated[OvToken, typer.Option(help="Whose value is unembedded.")] = "current",
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Copying score of every head, with prefix-matching, induction, duplicate and previous-token attention beside it."""
    from dataclasses import asdict

    from interp.heads.scores.random_sequences import SequenceOptions

    options = SequenceOptions(sequences, shortest, longest, seed)

    from interp.heads.scores.copying import copying_scores
    from interp.models.load import load_language

    found = copying_scores(load_language(model, device=device), options, source=source, ov_token=ov_token)
    asked = {"model": model, "source": source, "ov_token": ov_token, **asdict(options), "tokens": found.tokens}
    text = found.heads.nlargest(20, "copying").to_string(index=False, float_format="{:.4f}".format)
    emit({"heads": found.heads.to_dict("records"), "options": asked}, as_json=as_json, text=f"{text}\n{found.tokens}")


@app.command("emergence")
def watch_emergence(
    run: Annotated[str, typer.Argument(help="Run folder of `interp lm train`, or with --revisions a Hub id.")],
    revisions: Annotated[str, typer.Option(help="Revisions on the Hub, such as step0,step512,step143000.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where results go; by default the run folder.")] = None,
    prompts: Annotated[int, typer.Option(min=1, help="Few-shot prompts a task and number of shots.")] = 100,
    seed: int = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Levels of in-context learning and the heads' relation indices at every checkpoint; what is measured is kept."""
    from interp.heads.emergence import EmergenceOptions, emergence
    from interp.heads.icl.levels import LevelOptions
    from interp.models.checkpoints import checkpoints
    from interp.models.checkpoints import revisions as on_hub

    found = on_hub(run, revisions.split(",")) if revisions else checkpoints(Path(run))
    place = out or Path(run)
    result = emergence(found, place, EmergenceOptions(LevelOptions(prompts=prompts, seed=seed), seed=seed), device=device)
    tables = {name: finite(table.to_dict("records")) for name, table in result._asdict().items()}
    emit(tables, as_json=as_json, text=f"{len(found)} checkpoints measured; tables are in {place / 'emergence'}")


def _index(
    model: str, options: IndexOptions, reading: dict[str, Any], words: Any, out: Path | None, seed: int, device: str
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of heads, and how many triplets it rests on. Files are read before the model: a mistake is told at once."""
    from interp.heads.relations.sources import read_relations

    relations = read_relations(**reading)

    from interp.heads.index.run import relation_index
    from interp.heads.index.statistics import StatisticsOptions
    from interp.heads.relations.alignment import AlignmentOptions, align
    from interp.models.load import load_language

    language = load_language(model, device=device)
    alignment = align(
        relations.documents, language.tokenizer, AlignmentOptions(words, options.bos, language.bridge.cfg.n_ctx)
    )
    counts = {"read": relations.counts, "aligned": alignment.counts}
    measurement = relation_index(language, alignment.documents, options, out=out, about={"counts": counts})
    table = measurement.table(tau=options.tau, average=options.average, statistics=StatisticsOptions(seed=seed))
    return table, counts


def _labels(given: list[str] | None) -> dict[str, tuple[str, ...]] | None:
    """`subj=nsubj,csubj` as a map."""
    if not given:
        return None
    for word in given:
        if not all(word.partition("=")):
            raise UserError(f"--labels '{word}' is refused; accepted is RELATION=LABEL,LABEL such as subj=nsubj,csubj")
    return {word.partition("=")[0]: tuple(word.partition("=")[2].split(",")) for word in given}


def _strongest(table: pd.DataFrame) -> str:
    """The heads that stand out most, and how many are more than chance."""
    from interp.heads.index.result import COMPARED, FEW

    enough = table[(table.events >= FEW) & (table.compared >= COMPARED)]
    shown = enough.nlargest(20, "excess")[_SHOWN]
    found = int((table.q_value < 0.05).sum())
    return (
        f"{shown.to_string(index=False, float_format='{:.4f}'.format)}\n"
        f"{found} of {int(table.p_value.notna().sum())} tested cells above their random tails at a false discovery rate "
        f"of 5 %; shown are the highest with {FEW} or more events"
    )
