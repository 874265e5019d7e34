"""Comments for a folder of files: resumable, under any engine, with what became of every file.

runs/<name>/manifest.json
runs/<name>/files/part-*.parquet     path, name: what is to be commented
runs/<name>/results/part-*.parquet   name, path, language, accepted, reason, detail, p_end, densities, code, inserted,
                                     dropped (both JSON), places, seconds
runs/<name>/code/                    the accepted files, in the folders they came from
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from interp.runs.atomic import replacing
from interp.runs.engines import Engine, Shard, map_shards, pending, processes
from interp.runs.errors import UserError
from interp.runs.estimate import tell
from interp.runs.parts import Parts, part_path, write_part
from interp.runs.refusable import refusable
from training.comments.annotate import Annotated, AnnotationRules, Place, annotate
from training.comments.corpus import source_files
from training.comments.languages import WRITTEN, Language, language_of
from training.comments.source import LARGEST, Source, Unreadable, read_source
from training.comments.writer import CausalWriter, WriterOptions

if TYPE_CHECKING:
    import pandas as pd

JOB = "comments"
PART_FILES = 4
"""Files of a part: some minutes of work on a CPU, which is what a kill costs at most."""
_SAMPLED, _SAMPLED_CHARACTERS = 3, 400
"""Files of which the beginnings are commented to estimate the time of all, and characters of each."""
_TOLD = 10
"""Times a sample that the job must be for an estimate."""
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("name", "path", "language")]
    + [("accepted", pa.bool_()), ("reason", pa.string()), ("detail", pa.string())]
    + [(name, pa.float64()) for name in ("p_end", "density_before", "density_after")]
    + [(name, pa.large_string()) for name in ("original", "code", "inserted", "dropped")]
    + [("places", pa.int64()), ("seconds", pa.float64())]
)
"""Columns of the results."""


@dataclass(frozen=True)
class Annotation:
    """Settings of a job."""

    model: str = "smollm2-135m"
    """What `interp.models.load.load_causal` takes."""
    writer: WriterOptions = field(default_factory=WriterOptions)
    rules: AnnotationRules = field(default_factory=AnnotationRules)


@dataclass(frozen=True)
class AnnotateStage:
    """Part of files in, what became of them out."""

    settings: Annotation
    device: str = "auto"

    def __call__(self, source: Path, target: Path) -> None:
        """Comment the files that the table `source` lists."""
        listed = pq.read_table(source).to_pylist()
        rows = [{"name": one["name"], **annotate_file(Path(one["path"]), self.settings, self.device)} for one in listed]
        write_part(target, pa.Table.from_pylist(rows, schema=SCHEMA))


@functools.lru_cache(maxsize=1)
def writer_of(model: str, options: WriterOptions, device: str) -> CausalWriter:
    """A writer; the last one stays in memory."""
    from interp.models.load import load_causal

    return CausalWriter(*load_causal(model, device=device), options)


def annotate_file(
    path: Path, settings: Annotation, device: str = "auto", *, language: Language | None = None
) -> dict[str, Any]:
    """Comment one file; return a row of the results. A file that cannot be read has the reason `unreadable`."""
    known = language or language_of(path)
    assert known is not None  # only files in our languages are listed
    row: dict[str, Any] = {**dict.fromkeys(SCHEMA.names[1:]), "path": str(path), "language": known.name}
    try:
        source = read_source(path, known)
    except Unreadable as error:
        return row | {"accepted": False, "reason": "unreadable", "detail": str(error), "inserted": "[]", "dropped": "[]"}
    found = annotate(source, writer_of(settings.model, settings.writer, device), settings.rules)
    return row | {"original": source.text} | _row(found)


def _row(found: Annotated) -> dict[str, Any]:
    row = {name: getattr(found, name) for name in SCHEMA.names if hasattr(found, name)}
    lists = {name: [one._asdict() for one in getattr(found, name)] for name in ("inserted", "dropped")}
    return row | {name: json.dumps(value) for name, value in lists.items()}


def annotate_folder(
    folder: Path,
    out: Path,
    settings: Annotation,
    *,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Comment every file below `folder` that is in one of our four languages; return the funnel.

    A run that is there goes on. Raises UserError where there is no such file, the model cannot be loaded, the run has
    other settings, or a file was changed after it was commented.
    """
    paths = [path for path in source_files([folder]) if (found := language_of(path)) and found.name in WRITTEN]
    if not paths:
        raise UserError(f"{folder} has no file in {', '.join(WRITTEN)}")
    with refusable(out, config={"job": JOB, "folder": str(folder), **asdict(settings)}, seed=0) as run:
        if not (out / "files").exists():
            _list(paths, folder, out / "files")
        files = Parts(out / "files")
        shards = [Shard(path, out / "results" / path.name, pq.read_metadata(path).num_rows) for path in files.paths]
        if pending(shards):
            writer_of(settings.model, settings.writer, device)
    _tell(shards, settings, device, engine, workers)
    stage = AnnotateStage(settings, device)
    map_shards(stage, shards, engine=engine, workers=workers, device=device, unit="files", label="comments")
    results = read_results(out)
    _write_code(results, out / "code")
    told = funnel(results)
    run.finish(told)
    return told


def _tell(shards: Sequence[Shard], settings: Annotation, device: str, engine: Engine, workers: int | None) -> None:
    """Say what the files that are left will take; nothing of a job that is over soon."""
    listed = [Path(path) for shard in pending(shards) for path in pq.read_table(shard.source)["path"].to_pylist()]
    sizes = {path: path.stat().st_size for path in listed if path.exists()}
    paths = [path for path, size in sizes.items() if size <= LARGEST]
    size = sum(sizes[path] for path in paths)
    if size > _TOLD * _SAMPLED * _SAMPLED_CHARACTERS:
        at_once = min(processes(len(pending(shards)), engine, workers, device), os.cpu_count() or 1)
        seconds = _seconds_a_character(paths, settings, device) * size / at_once
        tell("comments", seconds, f"{len(paths):,} files on {at_once} of {os.cpu_count()} cores")


def _seconds_a_character(paths: Sequence[Path], settings: Annotation, device: str) -> float:
    """Measured on the beginnings of a few files, as if a comment might stand before each line; 0 for empty files."""
    writer, seconds, characters = writer_of(settings.model, settings.writer, device), 0.0, 0
    for path in paths[:: max(len(paths) // _SAMPLED, 1)][:_SAMPLED]:
        language = language_of(path)
        assert language is not None  # only files in our languages are listed
        try:
            text = read_source(path, language).text[:_SAMPLED_CHARACTERS]
            began = time.perf_counter()
            writer.begin(text, language)
            for number, line in enumerate(filter(None, text.splitlines())):
                writer.propose(Place(number, 0, line[: len(line) - len(line.lstrip())], line, False))
                writer.write(line, 0)
        except Unreadable:
            continue
        seconds += time.perf_counter() - began
        characters += len(text)
    return seconds / max(characters, 1)


def _list(paths: Sequence[Path], folder: Path, files: Path) -> None:
    root = folder if folder.is_dir() else folder.parent
    rows = [{"path": str(path.resolve()), "name": path.relative_to(root).as_posix()} for path in paths]
    parts = [rows[first : first + PART_FILES] for first in range(0, len(rows), PART_FILES)]
    # The first part last: its presence says that the list is whole.
    for number in reversed(range(len(parts))):
        write_part(part_path(files, number), pa.Table.from_pylist(parts[number]))


def read_results(out: Path) -> pd.DataFrame:
    """What became of every file. Raises UserError where there is no such run."""
    parts = Parts(out / "results")
    if not parts.paths:
        raise UserError(f"{out} has no results of `interp comments add`")
    return pa.Table.from_batches(parts.batches()).to_pandas()


def _write_code(results: pd.DataFrame, folder: Path) -> None:
    for row in results[results["accepted"]].itertuples():
        source = _unchanged_source(Path(row.path), row.original, folder.parent)
        with replacing(folder / row.name) as temporary:
            temporary.write_bytes(source.encoded(row.code))


def _unchanged_source(path: Path, original: str, out: Path) -> Source:
    """A file as it was commented: from it come encoding and byte order mark."""
    language = language_of(path)
    assert language is not None  # only files in our languages are listed
    try:
        source = read_source(path, language)
    except Unreadable as error:
        raise UserError(f"{path}: {error}, but it was commented; bring it back, or take another --out than {out}") from None
    if source.text != original:
        raise UserError(f"{path} was changed after it was commented; bring it back, or take another --out than {out}")
    return source


def funnel(results: pd.DataFrame) -> dict[str, Any]:
    """How many files were left after each filter, and how many comments were taken or dropped, by reason."""
    reasons = Counter(results["reason"].dropna())
    dropped = Counter(one["reason"] for text in results["dropped"] for one in json.loads(text))
    readable = len(results) - reasons["unreadable"]
    worth = readable - reasons["low_value"]
    kept = [json.loads(text) for text in results["inserted"]]
    accepted = int(results["accepted"].sum())
    means = {f"mean_{name}": _mean(results, name) for name in ("density_before", "density_after", "p_end")}
    return {
        "files": len(results),
        "readable": readable,
        "past_implicit_filter": worth,
        "unchanged_code": worth - reasons["code_changed"],
        "accepted": accepted,
        "rejected": dict(reasons.most_common()),
        "places": int(results["places"].fillna(0).sum()),
        "comments_inserted": sum(map(len, kept)),
        "comments_dropped": dict(dropped.most_common()),
        "seconds": float(results["seconds"].fillna(0).sum()),
        **means,
    }


def _mean(results: pd.DataFrame, column: str) -> float | None:
    values = results[column].dropna()
    return float(values.mean()) if len(values) else None
