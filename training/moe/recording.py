"""Record how a mixture of experts, Hugging Face's or ours, routes a corpus: batch by batch, streamed to disk, resumable.

Texts are cut into pieces of at most `length` tokens, which the model reads on their own, and pieces of about one length
make a batch. A batch is a step: its tokens compete for slots. Which texts share a batch is decided by the corpus and the
settings alone, so a run that was killed goes on at its first step that is not whole.

Every piece is read at once, as a prompt is. Generation with a cache is another matter: a pass then has one token of each
sequence, and a batch of one never drops a choice (`training.moe.wrap`).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from interp.corpora.store import OURS, store
from interp.models.load import CausalModel, load_causal
from interp.runs.errors import UserError
from interp.runs.estimate import Estimate
from interp.runs.folder import read_finished
from interp.runs.parts import Parts, part_path
from interp.runs.progress import Progress
from interp.runs.refusable import refusable
from training.moe.decoder import moe_layers
from training.moe.mixtral import load_moe
from training.moe.pieces import Piece, batched, check_fits, padded, pieces_of, positions_of, tokens_of
from training.moe.records import RecordWriter
from training.moe.routing import Routing, routing_of
from training.moe.rules import Fill, Order, Rules
from training.moe.train import JOB as TRAINING
from training.moe.variants import check_router

JOB = "moe record"
LENGTH = 512
"""Tokens of a piece, or the model's positions where it has fewer."""


@dataclass(frozen=True)
class Recording:
    """Settings of one run. Raises UserError for a batch that holds no piece, and for rules that cannot be.

    None is what the model does by itself: Hugging Face's drop nothing on one rank, ours do as they were trained.
    """

    capacity: float | None = None
    """c_eff, as in `Rules`; infinite drops nothing."""
    fill: Fill | None = None
    rectify: bool | None = None
    order: Order | None = None
    ranks: int | None = None
    """Simulated ones, to which a batch's tokens are dealt in order."""
    length: int | None = None
    """Tokens of a piece; None is `LENGTH`."""
    batch_tokens: int = 2048
    """At most, padding included."""
    seed: int = 0
    """Of order `random`."""
    text_column: str = "text"
    id_column: str = "id"
    domain_column: str | None = None
    """Column that says of which domain a text is: a source, a language, a subject."""

    def __post_init__(self) -> None:
        if self.length is not None and not 1 <= self.length <= self.batch_tokens:
            told = f"pieces of {self.length} tokens in batches of {self.batch_tokens}"
            raise UserError(f"{told} are refused; accepted are 1 to {self.batch_tokens} tokens")
        self.rules(Rules())

    def rules(self, own: Rules) -> Rules:
        """Rules of a model that has `own` ones."""
        asked = {name: getattr(self, name) for name in ("capacity", "fill", "rectify", "order")}
        return replace(own, **{name: value for name, value in asked.items() if value is not None}, seed=self.seed)


def record(model: str | CausalModel, source: str, out: Path, settings: Recording, *, device: str = "auto") -> dict[str, Any]:
    """Record the corpus `source` in the run folder `out`, or go on with the run there; return its results.

    `model` is what `load_causal` takes, a folder of `interp moe train` or `upcycle`, or a model that is loaded already.

    Results: documents, recorded (documents), rejected (documents, by reason), set_aside (rows that were none), tokens and
    steps, choices that were kept and dropped, filled slots, rectified tokens, drop_rate, padding_rate (null where capacity
    is infinite), and seconds of this call.

    Raises UserError for a corpus that is none, a model that is no known mixture, and settings that do not fit it.
    """
    began = time.monotonic()
    name = model if isinstance(model, str) else str(model.model.config.name_or_path)
    config = {"job": JOB, "model": name, "source": source, **asdict(settings)}
    config |= {"capacity": None if settings.capacity is None else str(settings.capacity)}
    with refusable(out, config=config, seed=settings.seed) as run:
        documents = store(source, out, text_column=settings.text_column, id_column=settings.id_column)
        causal = _loaded(model, device) if isinstance(model, str) else model
        length, routing = _length(settings, causal.model.config), _routing(causal.model, settings)
        writer = RecordWriter(out)
        _tell_domains(documents, settings, source, writer)
    rejected: Counter[str] = Counter()
    plan = [_size(batch) for batch in _batches(documents, causal.tokenizer, length, settings, rejected)]
    again = _batches(documents, causal.tokenizer, length, settings, Counter())
    with closing(routing):
        _read(causal, routing, again, plan, writer)
    sizes = {"documents": len(documents), "recorded": len(documents) - rejected.total(), "rejected": dict(rejected)}
    sizes |= {"set_aside": pq.read_metadata(out / "set_aside.parquet").num_rows, "tokens": sum(plan), "steps": len(plan)}
    results = {**sizes, **_totals(out), "seconds": time.monotonic() - began}
    run.finish(results)
    return results


def _loaded(name: str, device: str) -> CausalModel:
    folder = Path(name)
    if (folder / "model/moe.json").exists():
        read_finished(folder, TRAINING)
        folder /= "model"
    return load_moe(folder, device=device) if (folder / "moe.json").exists() else load_causal(name, device=device)


def _routing(model: Any, settings: Recording) -> Routing:
    """The model under the settings, and what they leave open as it has it by itself."""
    ours = next(iter(moe_layers(model).values()), None)
    if ours is None:
        return routing_of(model, lambda k: settings.rules(Rules(k)), settings.ranks or 1)
    rules = settings.rules(ours.rules)
    check_router(ours.router, rules)
    return routing_of(model, lambda k: rules, settings.ranks or ours.ranks)


def _tell_domains(documents: Parts, settings: Recording, source: str, writer: RecordWriter) -> None:
    """Write of which domain each text is. Raises UserError where the corpus has no such column."""
    name = settings.domain_column
    if name is None:
        return
    known = [column for column in documents.schema.names if column not in OURS]
    if name not in known:
        listed = ", ".join(known[:20]) or "none"
        raise UserError(f"{source} has no column '{name}' beside text and id; accepted for domains are its others: {listed}")
    first = 0
    for number, path in enumerate(documents.paths):
        column = pq.read_table(path, columns=[name])[name].to_pylist()
        writer.tell_domains([None if value is None else str(value) for value in column], first=first, part=number)
        first += len(column)


def _batches(
    documents: Parts, tokenizer: Any, length: int, settings: Recording, rejected: Counter[str]
) -> Iterator[list[Piece]]:
    """Batches of the whole corpus, each of one part's texts; those without a token are counted as rejected."""
    first = 0
    for path in documents.paths:
        texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
        encoded = tokenizer(texts, verbose=False)["input_ids"]
        rejected["no token"] += sum(not ids for ids in encoded)
        yield from batched(pieces_of(encoded, first, length), settings.batch_tokens)
        first += len(texts)
    rejected += Counter()  # drops what was never met


def _size(batch: list[Piece]) -> int:
    return sum(len(piece.ids) for piece in batch)


def _length(settings: Recording, config: Any) -> int:
    if settings.length is not None:
        check_fits(settings.length, config)
        return settings.length
    return min(LENGTH, positions_of(config), settings.batch_tokens)


@torch.no_grad()
def _read(
    causal: CausalModel, routing: Routing, batches: Iterator[list[Piece]], plan: list[int], writer: RecordWriter
) -> None:
    """Read all batches that have not been written."""
    done = [part_path(writer.folder / "passes", step).exists() for step in range(len(plan))]
    start = sum(size for size, was in zip(plan, done, strict=True) if was)
    estimate = Estimate(len(plan) - sum(done))
    causal.model.eval()
    with Progress(sum(plan), unit="tokens", label=writer.folder.name, start=start) as progress:
        for step, batch in enumerate(batches):
            if done[step]:
                continue
            ids, mask = padded(batch, causal.model.device)
            routing.reseed(step)
            causal.model(input_ids=ids, attention_mask=mask.long(), use_cache=False)
            who = tokens_of(batch, ids, mask, causal.tokenizer)
            for layer, passed in routing.passed():
                writer.add(step, layer, who, passed)
            writer.flush()
            progress.advance(plan[step])
            if told := estimate.after_step():
                progress.say(told)


def _totals(out: Path) -> dict[str, Any]:
    """Counts over all records."""
    found: Counter[str] = Counter()
    for batch in Parts(out / "routes").batches(["kept", "filled", "rectified"]):
        columns = {name: batch[name].to_numpy(zero_copy_only=False) for name in ("kept", "filled", "rectified")}
        found.update({name: int(column.sum()) for name, column in columns.items()})
        found["dropped"] += int((~np.logical_or.reduce(list(columns.values()))).sum())
    passes = [row for batch in Parts(out / "passes").batches() for row in batch.to_pylist()]
    slots = sum(row["slots"] * row["ranks"] * row["experts"] for row in passes)
    kept, filled, dropped = found["kept"], found["filled"], found["dropped"]
    finite = slots and all(math.isfinite(row["capacity"]) for row in passes)
    return {
        "kept": kept, "dropped": dropped, "filled": filled, "rectified": found["rectified"],
        "drop_rate": dropped / max(kept + dropped, 1), "padding_rate": 1 - (kept + filled) / slots if finite else None,
    }  # fmt: skip
