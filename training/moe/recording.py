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
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from interp.corpora.store import store
from interp.models.load import CausalModel, load_causal
from interp.runs.errors import UserError
from interp.runs.estimate import Estimate
from interp.runs.parts import Parts, part_path
from interp.runs.progress import Progress
from interp.runs.refusable import refusable
from training.moe.decoder import moe_layers, routed_layers, seed_orders
from training.moe.families import gates
from training.moe.mixtral import load_moe
from training.moe.plan import Request
from training.moe.records import RecordWriter, Routed, Tokens
from training.moe.rules import Fill, Order, Rules
from training.moe.wrap import RoutedModel

JOB = "moe record"
LENGTH = 512
"""Tokens of a piece, or the model's positions where it has fewer."""


@dataclass(frozen=True)
class Recording:
    """Settings of one run. Raises UserError for a batch that holds no piece."""

    capacity: float = math.inf
    """c_eff, as in `Rules`; infinite drops nothing, as the model itself does."""
    fill: Fill = "off"
    rectify: bool = False
    order: Order = "confidence"
    ranks: int = 1
    """Simulated ones, to which a batch's tokens are dealt in order."""
    length: int | None = None
    """Tokens of a piece; None is `LENGTH`."""
    batch_tokens: int = 2048
    """At most, padding included."""
    seed: int = 0
    """Of order `random`."""
    text_column: str = "text"
    id_column: str = "id"

    def __post_init__(self) -> None:
        if self.length is not None and not 1 <= self.length <= self.batch_tokens:
            told = f"pieces of {self.length} tokens in batches of {self.batch_tokens}"
            raise UserError(f"{told} are refused; accepted are 1 to {self.batch_tokens} tokens")

    def rules(self, k: int) -> Rules:
        """Rules of a model whose tokens ask for k experts."""
        return Rules(k, self.capacity, self.fill, self.rectify, self.order, seed=self.seed)


class Routing(Protocol):
    """What routes by the settings while a model reads."""

    def reseed(self, number: int, /) -> None:
        """Have the next pass depend on this number alone."""

    def passed(self) -> Iterable[tuple[int, Routed]]:
        """What the last pass did, by layer."""

    def close(self) -> None:
        """Give the model its own routing back."""


class OurLayers:
    """The `MoELayer`s of a model, routing by the settings until `close`. Padding is routed by nobody."""

    def __init__(self, model: nn.Module, settings: Recording) -> None:
        """Raises UserError for experts that cannot be divided among the ranks."""
        self.model, self._layers = model, moe_layers(model).values()
        self._before = [(layer.rules, layer.ranks) for layer in self._layers]
        for layer in self._layers:
            Request(torch.ones(settings.ranks, 1, len(layer.experts)))
        for layer in self._layers:
            asked = settings.rules(layer.rules.k)
            layer.rules, layer.ranks = replace(asked, detach=layer.rules.detach), settings.ranks
        self._mask: Tensor | None = None
        self._hooks = [model.register_forward_pre_hook(self._note, with_kwargs=True)]
        self._hooks += [layer.register_forward_pre_hook(self._masked, with_kwargs=True) for layer in self._layers]

    def reseed(self, number: int) -> None:
        """As of `Routing`."""
        seed_orders(self.model, number)

    def passed(self) -> Iterable[tuple[int, Routed]]:
        """As of `Routing`."""
        return routed_layers(self.model)

    def close(self) -> None:
        """As of `Routing`."""
        for hook in self._hooks:
            hook.remove()
        for layer, (rules, ranks) in zip(self._layers, self._before, strict=True):
            layer.rules, layer.ranks = rules, ranks

    def _note(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._mask = kwargs["attention_mask"].bool()

    def _masked(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**kwargs, "mask": self._mask}


class Piece(NamedTuple):
    """Tokens of a text that the model reads at once."""

    sequence: int
    """Number of the text in `documents`."""
    start: int
    """Position of its first token in the text."""
    ids: list[int]


def record(model: str | CausalModel, source: str, out: Path, settings: Recording, *, device: str = "auto") -> dict[str, Any]:
    """Record the corpus `source` in the run folder `out`, or go on with the run there; return its results.

    `model` is what `load_causal` takes, a folder of `interp moe upcycle`, or a model that is loaded already.

    Results: documents, recorded (documents), rejected (documents, by reason), set_aside (rows that were none), tokens and
    steps, choices that were kept and dropped, filled slots, rectified tokens, drop_rate, padding_rate (null where capacity
    is infinite), and seconds of this call.

    Raises UserError for a corpus that is none, a model that is no known mixture, and settings that do not fit it.
    """
    began = time.monotonic()
    name = model if isinstance(model, str) else str(model.model.config.name_or_path)
    config = {"job": JOB, "model": name, "source": source, **asdict(settings), "capacity": str(settings.capacity)}
    with refusable(out, config=config, seed=settings.seed) as run:
        documents = store(source, out, text_column=settings.text_column, id_column=settings.id_column)
        causal = _loaded(model, device) if isinstance(model, str) else model
        length, routing = _length(settings, causal.model.config), _routing(causal.model, settings)
    rejected: Counter[str] = Counter()
    plan = [_size(batch) for batch in _batches(documents, causal.tokenizer, length, settings, rejected)]
    again = _batches(documents, causal.tokenizer, length, settings, Counter())
    with closing(routing):
        _read(causal, routing, again, plan, out)
    sizes = {"documents": len(documents), "recorded": len(documents) - rejected.total(), "rejected": dict(rejected)}
    sizes |= {"set_aside": pq.read_metadata(out / "set_aside.parquet").num_rows, "tokens": sum(plan), "steps": len(plan)}
    results = {**sizes, **_totals(out), "seconds": time.monotonic() - began}
    run.finish(results)
    return results


def _loaded(name: str, device: str) -> CausalModel:
    return load_moe(Path(name), device=device) if (Path(name) / "moe.json").exists() else load_causal(name, device=device)


def _routing(model: nn.Module, settings: Recording) -> Routing:
    if moe_layers(model):
        return OurLayers(model, settings)
    return RoutedModel(model, settings.rules(gates(model)[0].k), ranks=settings.ranks)


def batched(pieces: Iterable[Piece], tokens: int) -> Iterator[list[Piece]]:
    """Batches of at most `tokens` tokens, padding included, the longest pieces first; each holds one piece at least."""
    held: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.ids)):
        if held and (len(held) + 1) * len(held[0].ids) > tokens:
            yield held
            held = []
        held.append(piece)
    if held:
        yield held


def _batches(
    documents: Parts, tokenizer: Any, length: int, settings: Recording, rejected: Counter[str]
) -> Iterator[list[Piece]]:
    """Batches of the whole corpus, each of one part's texts; those without a token are counted as rejected."""
    first = 0
    for path in documents.paths:
        texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
        encoded = tokenizer(texts, verbose=False)["input_ids"]
        rejected["no token"] += sum(not ids for ids in encoded)
        yield from batched(_pieces(encoded, first, length), settings.batch_tokens)
        first += len(texts)
    rejected += Counter()  # drops what was never met


def _pieces(encoded: list[list[int]], first: int, length: int) -> Iterator[Piece]:
    for number, ids in enumerate(encoded, first):
        for start in range(0, len(ids), length):
            yield Piece(number, start, ids[start : start + length])


def _size(batch: list[Piece]) -> int:
    return sum(len(piece.ids) for piece in batch)


def _length(settings: Recording, config: Any) -> int:
    positions = int(getattr(config, "max_position_embeddings", 0) or settings.length or LENGTH)
    if settings.length is not None and settings.length > positions:
        told = f"pieces of {settings.length} tokens are longer than the {positions} positions of the model"
        raise UserError(f"{told}; accepted are 1 to {positions}")
    return settings.length or min(LENGTH, positions, settings.batch_tokens)


@torch.no_grad()
def _read(causal: CausalModel, routing: Routing, batches: Iterator[list[Piece]], plan: list[int], out: Path) -> None:
    """Read all batches that have not been written."""
    done = [part_path(out / "passes", step).exists() for step in range(len(plan))]
    start = sum(size for size, was in zip(plan, done, strict=True) if was)
    estimate, writer = Estimate(len(plan) - sum(done)), RecordWriter(out)
    causal.model.eval()
    with Progress(sum(plan), unit="tokens", label=out.name, start=start) as progress:
        for step, batch in enumerate(batches):
            if done[step]:
                continue
            ids, mask = _padded(batch, causal.model.device)
            routing.reseed(step)
            causal.model(input_ids=ids, attention_mask=mask.long(), use_cache=False)
            who = _who(batch, ids, mask, causal.tokenizer)
            for layer, passed in routing.passed():
                writer.add(step, layer, who, passed)
            writer.flush()
            progress.advance(plan[step])
            if told := estimate.after_step():
                progress.say(told)


def _padded(
    batch: list[Piece], device: torch.device
) -> tuple[Int[Tensor, "sequence position"], Bool[Tensor, "sequence position"]]:
    """Tokens, filled up with token 0 on the right, and which of them are none of the filling."""
    rows = [torch.tensor(piece.ids) for piece in batch]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    return ids.to(device), (torch.arange(ids.shape[1]) < lengths[:, None]).to(device)


def _who(batch: list[Piece], ids: Tensor, mask: Tensor, tokenizer: Any) -> Tokens:
    """The batch's tokens by the texts they are of, and where in them."""
    numbered = Tokens.of(ids, tokenizer, mask=mask)
    piece, place = np.divmod(np.arange(ids.numel()), ids.shape[1])
    sequence, start = (np.array([getattr(one, name) for one in batch]) for name in ("sequence", "start"))
    owner = np.where(numbered.sequence >= 0, sequence[piece], -1)
    return Tokens(owner, place + start[piece], numbered.token_id, numbered.token)


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
