"""Score a corpus: metrics, types and evidence of every document, a part at a time, under any engine, resumable.

A run goes on where it was killed, at its last whole part. Types are given by thresholds that were fitted before; other
thresholds for a run that is there change its types without scoring anything again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import PartialState

from interp.corpora.store import store
from interp.runs.device import resolve
from interp.runs.engines import Engine, Shard, map_shards, pending, processes
from interp.runs.errors import UserError, check_known
from interp.runs.parts import Parts, write_part
from interp.runs.progress import duration
from interp.runs.refusable import refusable
from training.longtext.discourse import shipped_weights
from training.longtext.folder import EVIDENCE, JOB, SCORES
from training.longtext.language import detect
from training.longtext.metrics import METRICS, Language, MetricSet, Scored, Scorer, ScorerOptions
from training.longtext.thresholds import EVERY, NONE, TYPED_NUMBERS, TYPED_WORDS, Thresholds

LONG_BYTES = 32_768
"""Bytes of UTF-8 from which the paper takes a document for long."""
MOST_CHARACTERS = 20_000_000
"""Of a document that is scored; a longer one is no document but a file in one line."""
PART_ROWS: dict[MetricSet, int] = {"statistical": 64, "all": 8}
"""Documents of a part: what is scored again after a kill, at most."""
SAMPLED: dict[MetricSet, int] = {"statistical": 8, "all": 1}
"""Documents that are scored to estimate the time of all."""
TYPED_BY = b"thresholds"
"""Key of a part's metadata: a hash of the thresholds that gave its types."""
_TOLD = 16
"""Samples that a run must be worth for an estimate."""
_MOST_CONTROLS = 0.01
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
LanguageOption = Literal["auto", "en", "zh"]


@dataclass(frozen=True)
class Scoring:
    """Settings of one run."""

    scorer: ScorerOptions = field(default_factory=ScorerOptions)
    language: LanguageOption = "auto"
    """Of all documents; auto looks at each."""
    text_column: str = "text"
    id_column: str = "id"
    domain_column: str = "domain"
    """A document without it is of the domain `all`."""
    least_bytes: int = 0
    """Documents below it are not scored; `LONG_BYTES` is the paper's filter."""


@dataclass(frozen=True)
class ScoreStage:
    """Documents' part in, scores' part out, and beside it the evidence's part."""

    settings: Scoring
    thresholds: Thresholds | None
    """None gives no types."""

    def __call__(self, source: Path, target: Path) -> None:
        """Score the documents of the Parquet file `source`."""
        rows = _rows(source, self.settings)
        kept = [row for row in rows if row["rejected"] is None]
        found = _scorer(self.settings.scorer).score([row["text"] for row in kept], [row["language"] for row in kept])
        for row, one in zip(kept, found, strict=True):
            row |= {"tokens": one.tokens, **one.metrics}
        evidence = dict(zip((row["id"] for row in kept), map(_evidence, found), strict=True))
        listed = [{"id": row["id"], "evidence": evidence.get(row["id"], "{}")} for row in rows]
        write_part(target.parent.parent / "evidence" / target.name, pa.Table.from_pylist(listed, schema=EVIDENCE))
        table = pa.Table.from_pylist(rows, schema=SCORES)  # what is no column of the schema is left out
        write_part(target, typed(table, self.thresholds))


def _rows(source: Path, settings: Scoring) -> list[dict[str, Any]]:
    """The documents of a part with what is known of them without a scorer."""
    return [_row(document, settings) for document in pq.read_table(source).to_pylist()]


def _row(document: dict[str, Any], settings: Scoring) -> dict[str, Any]:
    text, domain = document["text"], document.get(settings.domain_column)
    language = detect(text) if settings.language == "auto" else settings.language
    size = len(text.encode())
    return {
        "id": document["id"],
        "text": text,
        "language": language,
        "domain": EVERY if domain in (None, "") else str(domain),
        "characters": len(text),
        "bytes": size,
        "long": size >= LONG_BYTES,
        "rejected": refusal(text, language, size, settings.least_bytes),
    }


def refusal(text: str, language: Language | None, size: int, least_bytes: int = 0) -> str | None:
    """Why a document of so many bytes is not scored; None if it is."""
    if size < least_bytes:
        return f"{size:,} bytes; accepted are {least_bytes:,} or more"
    if len(text) > MOST_CHARACTERS:
        return f"{len(text):,} characters in one document; accepted are up to {MOST_CHARACTERS:,}"
    controls = len(_CONTROL.findall(text)) / max(len(text), 1)
    if controls > _MOST_CONTROLS:
        return f"binary: {controls:.0%} of its characters are control characters"
    return None if language else "neither English nor Chinese"


def _evidence(found: Scored) -> str:
    return json.dumps({**found.evidence, "missing": found.missing})


@functools.lru_cache(maxsize=1)
def _scorer(options: ScorerOptions) -> Scorer:
    """The last one stays in memory, with its models."""
    return Scorer(options)


def _digest(thresholds: Thresholds | None) -> bytes:
    settings = None if thresholds is None else thresholds.settings()
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest().encode()


def typed(scores: pa.Table, thresholds: Thresholds | None) -> pa.Table:
    """Scores with the types that thresholds give them, or with none; the metadata says by which."""
    columns = ["reference", *TYPED_WORDS, *TYPED_NUMBERS]
    if thresholds is None:
        found = pd.DataFrame(columns=columns, index=range(len(scores)))
    else:
        frame = scores.select(["language", "domain", *METRICS, "rejected"]).to_pandas()
        frame.loc[frame["rejected"].notna(), "language"] = None
        found = thresholds.type(frame)
    for name in columns:
        kind = SCORES.field(name).type
        values = found[name].astype(float) if pa.types.is_floating(kind) else found[name].astype(object)
        place = scores.schema.get_field_index(name)
        scores = scores.set_column(place, SCORES.field(name), pa.array(values, kind, from_pandas=True))
    return scores.replace_schema_metadata({TYPED_BY: _digest(thresholds)})


def score(
    source: str,
    out: Path,
    settings: Scoring,
    *,
    thresholds: str = "constructed",
    engine: Engine = "auto",
    workers: int | None = None,
) -> dict[str, Any]:
    """Score the corpus `source` in the run folder `out`, or go on with the run there; return its results.

    `thresholds` are shipped ones, a file, or `none`. Results: documents, scored, rejected (documents), set_aside (rows
    that were none), types (documents of each, by language), seconds (of this call). Under torchrun every rank scores, and
    all but the first return an empty result.

    Raises UserError for a corpus that is none, an unknown setting, or thresholds of another model.
    """
    began, device = time.monotonic(), _device(settings)
    check_known("language", settings.language, LanguageOption)
    check_known("set of metrics", settings.scorer.metrics, MetricSet)
    check_known("engine", engine, Engine)
    chosen = thresholds_for(thresholds, settings.scorer)
    config = {"job": JOB, "source": source, **_flat(settings)}
    with refusable(out, config=config, seed=0) as run, PartialState().main_process_first():
        columns = {"text_column": settings.text_column, "id_column": settings.id_column}
        documents = store(source, out, **columns, part_rows=PART_ROWS[settings.scorer.metrics])
        if run.primary:
            _retype(out, chosen)
    shards = [Shard(path, out / "scores" / path.name, pq.read_metadata(path).num_rows) for path in documents.paths]
    where: dict[str, Any] = {"engine": engine, "workers": workers, "device": device}
    if run.primary:
        _tell(settings, pending(shards), processes(len(pending(shards)), **where))
    map_shards(ScoreStage(settings, chosen), shards, label="score", **where)
    if not run.primary:
        return {}
    results = _results(out) | {"seconds": time.monotonic() - began}
    run.finish(results)
    return results


def _tell(settings: Scoring, shards: Sequence[Shard], workers: int) -> None:
    """Score a few documents and say what all that are left will take; nothing of a run that is over soon."""
    left, sampled = sum(shard.weight for shard in shards), SAMPLED[settings.scorer.metrics]
    if left < _TOLD * sampled:
        return
    rows = [row for row in _rows(shards[0].source, settings) if row["rejected"] is None][:sampled]
    if not rows:
        return
    scorer, texts, languages = _scorer(settings.scorer), [row["text"] for row in rows], [row["language"] for row in rows]
    scorer.score(texts[:1], languages[:1])  # loads the models
    began = time.monotonic()
    scorer.score(texts, languages)
    # Words are counted on one core, so processes share the work; forward passes take all cores already.
    at_once = workers if settings.scorer.metrics == "statistical" else 1
    seconds = (time.monotonic() - began) / len(texts) * left / at_once
    memory, total = psutil.Process(os.getpid()).memory_info().rss * workers, psutil.virtual_memory().total
    told = f"about {duration(seconds)} for {left:,} documents, about {memory / 1e9:.1f} of {total / 1e9:.1f} GB of memory"
    print(f"score: {told}", file=sys.stderr, flush=True)


def _device(settings: Scoring) -> str:
    """Where the stage computes; words are counted on the CPU. Joins the ranks, which must be before a run is opened."""
    device = str(resolve(settings.scorer.device))
    return device if settings.scorer.metrics == "all" else "cpu"


def _flat(settings: Scoring) -> dict[str, Any]:
    """Settings as one object, and the weights that are ours; the device changes nothing that a run is."""
    found = asdict(settings)
    scorer = found.pop("scorer")
    weights = {"discourse": shipped_weights()} if settings.scorer.metrics == "all" else {}
    return {name: value for name, value in {**found, **scorer}.items() if name != "device"} | weights


def thresholds_for(name: str, scorer: ScorerOptions) -> Thresholds | None:
    """Thresholds by name or from a file; None for `none`.

    Raises UserError if they are none, or were fitted to metrics on another scale.
    """
    if name == NONE:
        return None
    found = Thresholds.read(name)
    unread = () if scorer.metrics == "all" and found.reads_windows else ("windows",)
    different = [
        f"{key} {found.scorer.get(key)} (now {value})"
        for key, value in scorer.scale.items()
        if key not in unread and found.scorer.get(key) != value
    ]
    if different:
        raise UserError(
            f"thresholds {name} were fitted to other metrics: {', '.join(different)}; score with --thresholds {NONE}, then "
            "`interp longtext fit`"
        )
    return found


def _retype(out: Path, thresholds: Thresholds | None) -> None:
    """Give parts that were typed by other thresholds their new types; each part says by which it was."""
    path, asked = out / "thresholds.json", _digest(thresholds)
    for part in Parts(out / "scores").paths:
        if (pq.read_schema(part).metadata or {}).get(TYPED_BY) != asked:
            write_part(part, typed(pq.read_table(part), thresholds))
    if thresholds is None:
        path.unlink(missing_ok=True)
    else:
        thresholds.write(path)


def _results(out: Path) -> dict[str, Any]:
    columns = ["language", "type", "rejected"]
    scores = pa.concat_tables([pq.read_table(path, columns=columns) for path in Parts(out / "scores").paths]).to_pandas()
    kept = scores[scores["rejected"].isna()]
    types = kept.groupby(["language", "type"]).size()
    return {
        "documents": len(scores),
        "scored": len(kept),
        "rejected": int(scores["rejected"].notna().sum()),
        "set_aside": pq.read_metadata(out / "set_aside.parquet").num_rows,
        "types": {f"{language} {kind}": int(count) for (language, kind), count in types.items()},
    }
