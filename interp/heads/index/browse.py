"""Events one by one, for looking at: where a head attends and which tokens of the context it raises there.

The same events that `interp.heads.index.relation_index` sums, for a few documents or a typed prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.index.batches import Batch, make_batch
from interp.heads.index.events import ContextReadout, Events, attended, find_events
from interp.heads.index.kernels import raised
from interp.heads.index.layers import LayerReading, layer_reader
from interp.heads.index.options import DEFAULT, IndexOptions
from interp.heads.index.recall import lay_out
from interp.heads.relations.aligned import AlignedDocument

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

Raised = tuple[tuple[str, float], ...]
"""Text of context tokens and their shares of what is raised, the largest first."""


def events(
    model: LanguageModel,
    documents: Sequence[AlignedDocument],
    options: IndexOptions = DEFAULT,
    *,
    layer: int | None = None,
    head: int | None = None,
    top: int = 5,
) -> pd.DataFrame:
    """Every event of some documents: a head at j attends to s, the tail of a triplet stands at o.

    Args:
        layer, head: only this layer, only heads of this number.
        top: how many raised tokens are listed.

    Returns:
        Columns document, triplet, relation, direction, order, layer, head, j, s, o, ratio (attention at s over the largest
        on another token), share (a of the definition: the tail's share of what is raised), raised (see `Raised`).
    """
    batch = make_batch(documents, next(model.bridge.parameters()).device)
    recall = lay_out(batch, options.source, candidates=0)
    found: list[dict[str, Any]] = []
    for one in _seen(model, batch, recall.earliest, options, layer, head):
        listed = _largest(model, batch, one, top)
        for entry in range(recall.start[one.row, one.s], recall.start[one.row, one.s + 1]):
            if recall.ready[entry] <= one.j:
                where = {"layer": one.layer, "head": one.head, "j": one.j, "s": one.s, "o": int(recall.position[entry])}
                what = {"ratio": one.ratio, "share": float(one.shares[recall.place[entry]]), "raised": listed}
                found.append(recall.groups[recall.group[entry]]._asdict() | where | what)
    columns = ["document", "triplet", "relation", "direction", "order", "layer", "head", "j", "s", "o"]
    return pd.DataFrame(found, columns=[*columns, "ratio", "share", "raised"])


def raised_tokens(
    model: LanguageModel,
    tokens: Int[Tensor, " pos"],
    layer: int,
    head: int,
    options: IndexOptions = DEFAULT,
    *,
    top: int = 5,
) -> pd.DataFrame:
    """What one head does over a prompt, whatever its relations: columns j, s, ratio, raised, one row a position.

    Positions at which the most attended token stands out by no more than `options.tau`, or at which nothing is raised,
    are left out.
    """
    batch = make_batch([AlignedDocument("prompt", tokens.cpu(), ())], next(model.bridge.parameters()).device)
    everywhere = np.ones(batch.tokens.shape, dtype=np.int64)
    seen = _seen(model, batch, everywhere, options, layer, head)
    rows = [{"j": one.j, "s": one.s, "ratio": one.ratio, "raised": _largest(model, batch, one, top)} for one in seen]
    return pd.DataFrame(rows, columns=["j", "s", "ratio", "raised"])


class _Seen(NamedTuple):
    row: int
    layer: int
    head: int
    j: int
    s: int
    ratio: float
    shares: Float[np.ndarray, " distinct"]


def _seen(
    model: LanguageModel,
    batch: Batch,
    earliest: Int[np.ndarray, "batch pos"],
    options: IndexOptions,
    layer: int | None,
    head: int | None,
) -> list[_Seen]:
    reader = layer_reader(model, options.source)
    readout = ContextReadout(reader, batch, options)
    found: list[_Seen] = []

    def visit(reading: LayerReading) -> None:
        if layer not in (None, reading.layer):
            return
        events = find_events(attended(reading, batch, options), batch, earliest)
        chosen = events.ratio > options.threshold
        chosen = chosen if head is None else chosen & (events.head == head)
        events = Events(*(column[chosen] for column in events))
        found.extend(_with_shares(batch, reading.layer, events, readout.logits(reading, events)))

    reader.visit(batch.tokens, visit)
    return found


def _with_shares(batch: Batch, layer: int, events: Events, logits: Float[Tensor, "event distinct"]) -> Iterator[_Seen]:
    columns = (column.tolist() for column in events)
    for row, head, j, s, ratio, context in zip(*columns, logits.cpu().numpy(), strict=True):
        shares = np.empty(batch.seen[row, j])
        if raised(context[: len(shares)], shares):
            yield _Seen(row, layer, head, j, s, ratio, shares)


def _largest(model: LanguageModel, batch: Batch, one: _Seen, top: int) -> Raised:
    order = np.argsort(-one.shares, kind="stable")[:top]
    vocabulary = batch.vocabularies[one.row]
    return tuple(
        (model.tokenizer.decode([int(vocabulary[place])]), float(one.shares[place])) for place in order if one.shares[place]
    )
