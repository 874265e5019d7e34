"""The relation index over many documents as a run that streams to disk and can be killed.

    <out>/manifest.json               settings, counts, status
    <out>/sums/part-00000.parquet     sums of shares of `PART` documents: `interp.heads.index.rows`
    <out>/ratios/part-00000.parquet   how far the most attended tokens stood out: `interp.heads.index.relation_index.Ratios`

A part is a function of its documents alone and is written whole or not at all, so a run that goes on after a kill ends
with the same files. Nothing of a part stays in memory after it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from interp.heads.index.batches import by_length, make_batch
from interp.heads.index.candidates import CANDIDATES
from interp.heads.index.options import DEFAULT, IndexOptions
from interp.heads.index.relation_index import Ratios, RelationIndex
from interp.heads.index.result import Measurement
from interp.heads.index.rows import write_rows
from interp.heads.relations.aligned import AlignedDocument
from interp.runs.atomic import replacing
from interp.runs.errors import UserError
from interp.runs.estimate import Estimate
from interp.runs.folder import Run, read_manifest
from interp.runs.progress import Progress

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

PART = 64
"""Documents a part."""


class Part(NamedTuple):
    """What is kept of some documents."""

    sums: pa.Table
    ratios: pa.Table


def relation_index(
    model: LanguageModel,
    documents: Sequence[AlignedDocument],
    options: IndexOptions = DEFAULT,
    *,
    out: Path | None = None,
    candidates: int = CANDIDATES,
    about: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Measurement:
    """Measure every head of a model on aligned documents.

    Args:
        documents: with unique names; none longer than the model's context.
        options: `tau` and `average` decide nothing yet: sums are kept for every threshold of `options.taus`.
        out: run folder, where an interrupted run goes on; without it the sums stay in memory.
        candidates: matched random tails a triplet.
        about: what else the manifest is to say, such as where the relations come from. A run goes on only if it agrees.
        progress: whether to tell standard error how far it is.

    Raises:
        UserError: for documents that are refused, or a folder that holds another run or is in use.
    """
    _check(documents, model)
    index = RelationIndex.of(model, options, candidates=candidates)
    config = _config(model, documents, index) | dict(about or {})
    parts = [documents[first : first + PART] for first in range(0, len(documents), PART)]
    if out is None:
        told = _Told(parts, enabled=progress)
        measured = [_measure(index, part, told) for part in parts]
        rows = ds.dataset(pa.concat_tables(part.sums for part in measured).unify_dictionaries())
        return _measurement(rows, [part.ratios for part in measured], config)
    run = Run.open(out, config=config, seed=0)  # measuring involves no chance
    began, missing = time.monotonic(), [number for number in range(len(parts)) if not _file(out, "sums", number).exists()]
    told = _Told([parts[number] for number in missing], enabled=progress)
    for number in missing:
        _write(out, number, _measure(index, parts[number], told))
    run.finish({"parts": len(parts), "seconds": round(time.monotonic() - began, 1)})
    return read_measurement(out)


def fingerprint(documents: Sequence[AlignedDocument]) -> str:
    """Hash of all that is measured: other texts, tokens or triplets change it."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(document.name.encode() + document.tokens.numpy().tobytes() + repr(document.triplets).encode())
    return digest.hexdigest()[:16]


def read_measurement(out: Path) -> Measurement:
    """The measurement of a finished run. Raises UserError for a folder that holds none."""
    manifest = read_manifest(out)
    if manifest.get("status") != "complete" or "taus" not in manifest["config"]:
        raise UserError(f"{out} holds no finished relation index; `interp heads index --out` makes one or goes on with it")
    count = manifest["results"]["parts"]
    rows = ds.dataset([_file(out, "sums", number) for number in range(count)])
    ratios = [pq.read_table(_file(out, "ratios", number)) for number in range(count)]
    return _measurement(rows, ratios, manifest["config"])


def _config(model: LanguageModel, documents: Sequence[AlignedDocument], index: RelationIndex) -> dict[str, Any]:
    """All that the sums depend on."""
    options = index.options
    return {
        "model": model.name,
        "source": options.source,
        "ov_token": options.ov_token,
        "final_norm": options.final_norm,
        "bos": options.bos,
        "taus": list(options.taus),
        "candidates": index.candidates,
        "layers": index.layers,
        "heads": index.heads,
        "relations": sorted({triplet.relation for document in documents for triplet in document.triplets}),
        "documents": len(documents),
        "fingerprint": fingerprint(documents),
    }


class _Told:
    """Progress and, once, an estimate."""

    def __init__(self, parts: Sequence[Sequence[AlignedDocument]], *, enabled: bool) -> None:
        tokens = sum(len(document.tokens) for part in parts for document in part)
        self.progress = Progress(tokens, unit="tokens", label="relation index", enabled=enabled)
        self.estimate = Estimate(sum(len(by_length(part)) for part in parts))

    def advance(self, group: Sequence[AlignedDocument]) -> None:
        """Count a batch as done."""
        if sentence := self.estimate.after_step():
            self.progress.say(sentence)
        self.progress.advance(sum(len(document.tokens) for document in group))


def _measure(index: RelationIndex, documents: Sequence[AlignedDocument], told: _Told) -> Part:
    index.ratios = Ratios(index.layers, index.heads)
    tables = []
    for group in by_length(documents):
        tables.append(index.measure(make_batch(group, index.device)))
        told.advance(group)
    return Part(pa.concat_tables(tables).unify_dictionaries(), index.ratios.table())


def _write(out: Path, number: int, part: Part) -> None:
    """The sums last: where they are, the part is whole."""
    with replacing(_file(out, "ratios", number)) as temporary:
        pq.write_table(part.ratios, temporary, compression="zstd")
    with replacing(_file(out, "sums", number)) as temporary:
        write_rows(temporary, part.sums)


def _file(out: Path, kind: str, number: int) -> Path:
    return out / kind / f"part-{number:05d}.parquet"


def _measurement(rows: ds.Dataset, ratios: Sequence[pa.Table], config: Mapping[str, Any]) -> Measurement:
    by = ["layer", "head", "ratio"]
    counted = pa.concat_tables(ratios).group_by(by, use_threads=False).aggregate([("events", "sum"), ("at_first", "sum")])
    known = {name: config[name] for name in ("layers", "heads")}
    relations, taus = tuple(config["relations"]), tuple(config["taus"])
    frame = counted.rename_columns([*by, "events", "at_first"]).to_pandas()
    return Measurement(rows, frame, **known, relations=relations, taus=taus)


def _check(documents: Sequence[AlignedDocument], model: LanguageModel) -> None:
    if not any(document.triplets for document in documents):
        raise UserError(f"{len(documents)} documents hold no relation triplet; accepted are documents with at least one")
    names = [document.name for document in documents]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"two documents have the name '{twice}'; names must be unique")
    longest, limit = max(documents, key=lambda document: len(document.tokens)), model.bridge.cfg.n_ctx
    if len(longest.tokens) > limit:
        raise UserError(f"document '{longest.name}' has {len(longest.tokens)} tokens; this model reads at most {limit}")
