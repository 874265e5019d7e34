"""`interp comments`: how densely code is commented, new comments that leave it unchanged, generators that write them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interp.cli.comment_augmentation import augment
from interp.cli.comment_evaluation import evaluate
from interp.cli.options import AsJson, Device
from interp.cli.output import emit
from interp.runs.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Comments for code: density, generation with the code unchanged, tuning.")
app.command()(evaluate)
app.command()(augment)

_SKIPPED_SHOWN = 1_000
"""Skipped files listed in JSON; all are in a run's Parquet."""
Engine = Annotated[str, typer.Option(help="auto, inline, process (a pool of processes), or ray.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes of the engine.")]
Model = Annotated[
    str, typer.Option(help="smollm2-135m, a folder in transformers' format or with a LoRA adapter, or a Hub id owner/name.")
]
Lang = Annotated[str, typer.Option("--language", help="Python, JavaScript, C or Java; without it the file's ending says.")]
Diff = Annotated[bool, typer.Option("--diff", help="Print a unified diff instead of the code.")]


@app.command("density")
def measure_density(
    path: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; without any: the standard library and installed packages.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder that keeps a row a file; a run that is there goes on.")
    ] = None,
    markers: Annotated[bool, typer.Option(help="Count comment markers and quotes too.")] = False,
    engine: Engine = "auto",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Characters in comments over all characters, by language, with and without licence headers."""
    from training.comments.corpus import default_folders, measure
    from training.comments.tables import summary

    where: dict[str, Any] = {"engine": engine, "workers": workers}
    table = measure(path or default_folders(), out, markers=markers, **where)
    result = summary(table)
    skipped = table[table["reason"].notna()]
    result["skipped"] = skipped[["path", "reason"]].head(_SKIPPED_SHOWN).to_dict("records")
    emit(result, as_json=as_json, text=_density_text(result, len(skipped)))


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with --out.")],
    model: Model = "smollm2-135m",
    out: Annotated[Path | None, typer.Option(help="File to write, or for a folder the run folder.")] = None,
    diff: Diff = False,
    language: Lang = "",
    margin: Annotated[
        float, typer.Option(help="Least log-odds of a comment's marker against the code that follows; 0 is greedy.")
    ] = -3.0,
    end: Annotated[float, typer.Option(help="Probability of the end token above which a file is not worth comments.")] = 0.5,
    least_gain: Annotated[float, typer.Option(help="Least rise of the density.")] = 0.02,
    engine: Engine = "auto",
    workers: Workers = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Comment a file or a folder by a language model; the code is proved unchanged, byte for byte and token for token."""
    from training.comments.annotate import AnnotationRules
    from training.comments.filters import FileRules
    from training.comments.job import Annotation
    from training.comments.writer import WriterOptions

    writer = WriterOptions(margin=margin, docstring_margin=margin)
    settings = Annotation(model, writer, AnnotationRules(most_end=end, file=FileRules(least_gain=least_gain)))
    if path.is_dir():
        _add_folder(path, out, settings, {"engine": engine, "workers": workers, "device": device}, as_json)
    else:
        _add_file(path, out, settings, language, device, diff, as_json)


def _add_folder(path: Path, out: Path | None, settings: Any, where: dict[str, Any], as_json: bool) -> None:
    from training.comments.job import annotate_folder

    if out is None:
        raise UserError(f"{path} is a folder; its comments go to a run folder: give --out")
    result = annotate_folder(path, out, settings, **where)
    text = f"{out}: {result['accepted']} of {result['files']} files accepted, {result['comments_inserted']} comments written"
    emit(result, as_json=as_json, text=text)


def _add_file(path: Path, out: Path | None, settings: Any, language: str, device: str, diff: bool, as_json: bool) -> None:
    import json

    from training.comments.job import annotate_file
    from training.comments.languages import written_language

    if not path.exists():
        raise UserError(f"there is no file or folder {path}")
    known = written_language(path, language)
    row = annotate_file(path, settings, device, language=known)
    original, code = row.pop("original") or "", row["code"] or ""
    row |= {name: json.loads(row[name]) for name in ("inserted", "dropped")}
    if out is not None and row["accepted"]:
        _write(path, out, known, code)
    told = "accepted" if row["accepted"] else f"not accepted: {row['reason']}"
    detail = f" ({row['detail']})" if row["detail"] else ""
    typer.echo(f"interp: {path}: {told}{detail}", err=True)
    emit(row, as_json=as_json, text=_difference(path, original, code) if diff else code.rstrip("\n"))


@app.command("strip")
def strip_comments(
    path: Annotated[Path, typer.Argument(help="A file in Python, JavaScript, C or Java.")],
    out: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    diff: Diff = False,
    language: Lang = "",
    docstrings: Annotated[bool, typer.Option(help="Take docstrings out too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Take the comments out of a file, with the proof that its code is the same."""
    from training.comments.languages import written_language
    from training.comments.source import Unreadable, read_source
    from training.comments.strip import strip

    if not path.is_file():
        raise UserError(f"there is no file {path}")
    known = written_language(path, language)
    try:
        source = read_source(path, known)
        found = strip(source, docstrings=docstrings)
    except Unreadable as error:
        raise UserError(f"{path} is left as it is: {error}") from None
    if out is not None:
        _write(path, out, known, found.text)
    text = _difference(path, source.text, found.text) if diff else found.text.rstrip("\n")
    emit({"language": known.name, "removed": found.removed, "code": found.text}, as_json=as_json, text=text)


def _write(path: Path, out: Path, language: Any, code: str) -> None:
    """Write `code` in the encoding of `path`."""
    from interp.runs.atomic import replacing
    from training.comments.source import read_source

    if out.is_dir():
        raise UserError(f"{out} is a folder; --out takes the file to write for {path}")
    content = read_source(path, language).encoded(code)
    with replacing(out) as temporary:
        temporary.write_bytes(content)


def _difference(path: Path, before: str, after: str) -> str:
    from difflib import unified_diff

    from training.comments.source import lines_of

    name = path.as_posix().lstrip("/")
    lines = unified_diff(lines_of(before), lines_of(after), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines).rstrip("\n")


def _density_text(result: dict[str, Any], skipped: int) -> str:
    lines = [f"{'language':18} {'files':>7} {'characters':>13} {'density':>8} {'macro':>7} {'without licences':>17}"]
    for name, one in result["by_language"].items():
        figures = f"{one['files']:7,} {one['characters']:13,} {one['density']:8.4f} {one['macro']:7.4f}"
        lines.append(f"{name:18} {figures} {one['density_without_licences']:17.4f}")
    if result["density"] is not None:
        lines.append(f"all: {result['density']:.4f} (micro), {result['macro']:.4f} (macro), {result['files']:,} files")
    return "\n".join([*lines, f"{skipped:,} files skipped"])


@app.command()
def instructions(
    path: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; without any: the standard library and installed packages.")
    ] = None,
    out: Annotated[Path, typer.Option(help="JSONL file to write.")] = Path("instructions.jsonl"),
    pairs: Annotated[int, typer.Option(min=1, help="Pieces of code with and without comments.")] = 2_000,
    declined: Annotated[float, typer.Option(min=0, max=0.9, help="Share of files answered with the end token.")] = 0.2,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Write instruction data for a generator: commented code that machines have, and the same code stripped."""
    from training.comments.instructions import InstructionOptions, build

    result = build(path, out, InstructionOptions(pairs=pairs, declined=declined, seed=seed))
    told = ", ".join(f"{count} {name}" for name, count in {**result["kinds"], **result["languages"]}.items())
    emit(result, as_json=as_json, text=f"{out}: {result['records']} records ({told})")


@app.command()
def finetune(
    data: Annotated[Path, typer.Argument(help="JSONL file of `interp comments instructions`.")],
    out: Annotated[Path, typer.Option(help="Run folder; a run that is there goes on.")],
    model: Model = "smollm2-135m",
    steps: Annotated[int, typer.Option(min=1)] = 400,
    batch: Annotated[int, typer.Option(min=1, help="Records a step.")] = 8,
    most_tokens: Annotated[int, typer.Option(min=32, help="Longer records are left out.")] = 1024,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapters.")] = 16,
    lr: Annotated[float, typer.Option(min=0)] = 3e-4,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Tune a generator of comments by LoRA; the adapter is what `add --model` takes."""
    from training.comments.finetune import Tuning
    from training.comments.finetune import finetune as run

    settings = Tuning(str(data), model, steps, batch, most_tokens, rank, 2 * rank, lr=lr, seed=seed)
    result = run(settings, out, device=device)
    loss = result["held_out_loss"]
    told = "no record of a held-out source" if loss is None else f"loss on held-out answers {loss:.3f} nats a token"
    emit(result, as_json=as_json, text=f"{out}: {told}; adapter in {out / 'adapter'}")
