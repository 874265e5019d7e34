"""The relation index of every head, as sums over events (Ren et al. 2024, arXiv 2402.13055, section 3).

For a head h, a position j and a triplet with head token at s and tail token at o, both not after j:
1. attention of h at j over the positions up to j;
2. the event counts if s is most attended, and more than tau times as much as any position that holds another token;
3. p: softmax of the value vector through W_O and the unembedding, at the distinct tokens of the context;
4. q: p above its mean over those tokens, else zero;
5. a: the tail's share of q, between 0 and 1;
6. the index averages a over events and triplets.

At j = o the current token is the tail itself, so with `ov_token="current"` a head that raises the token it stands on scores
there without knowing a relation. The random tails have such positions of their own.

This file measures sums of a, for the tail and for its matched random tails (`interp.heads.index.candidates`), apart for
every triplet, direction, order, head and level of the ratio; `interp.heads.index.result` averages them. A *level* is the
largest threshold of `IndexOptions.taus` that the ratio exceeds, so that the events for a tau are those of its level and
above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Int

from interp.heads.index.batches import Batch
from interp.heads.index.candidates import CANDIDATES
from interp.heads.index.events import Attended, ContextReadout, Events, attended, find_events
from interp.heads.index.kernels import add_events
from interp.heads.index.layers import LayerReader, LayerReading, layer_reader
from interp.heads.index.options import IndexOptions
from interp.heads.index.recall import Recall, lay_out
from interp.heads.index.rows import group_table, layer_rows, schema

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

RATIOS = (*(np.arange(10, 30) / 10).tolist(), 3.0, 3.5, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0, 100.0)
"""Lower edges of the classes in which the attention ratios of all events are counted (their figure 11)."""


class Ratios:
    """How often the most attended position stands out by how much, over all positions but a text's first."""

    def __init__(self, layers: int, heads: int) -> None:
        self.counts = np.zeros((layers, heads, 2, len(RATIOS)), dtype=np.int64)
        """By class of `RATIOS`, those that attend to the text's first position (often an attention sink) apart: at 1."""

    def add(self, layer: int, where: Attended, lengths: Int[np.ndarray, " batch"]) -> None:
        """Count one layer's events."""
        heads, width = where.key.shape[1:]
        position = torch.arange(width, device=where.key.device)
        chosen = (position > 0) & (position < torch.as_tensor(lengths, device=where.key.device)[:, None, None])
        row, head, query = chosen.expand_as(where.key).nonzero(as_tuple=True)
        edges = torch.tensor(RATIOS[1:], device=where.ratio.device, dtype=where.ratio.dtype)
        level = torch.bucketize(where.ratio[row, head, query], edges)
        sink = where.key[row, head, query] == 0
        counts = torch.bincount((head * 2 + sink) * len(RATIOS) + level, minlength=heads * 2 * len(RATIOS))
        self.counts[layer] += counts.view(heads, 2, -1).cpu().numpy()

    def table(self) -> pa.Table:
        """Columns layer, head, ratio (lower edge of the class), events, at_first (those at the first position)."""
        layer, head, level = np.indices((*self.counts.shape[:2], len(RATIOS))).reshape(3, -1)
        events, at_first = self.counts.sum(2).ravel(), self.counts[:, :, 1].ravel()
        columns = {"layer": layer, "head": head, "ratio": np.array(RATIOS)[level], "events": events, "at_first": at_first}
        return pa.table(columns)


class RelationIndex:
    """Measures batches of aligned documents with one model.

    On another device than the CPU all but the last step happens there: logits of context tokens come back.
    """

    def __init__(self, reader: LayerReader, options: IndexOptions, *, candidates: int = CANDIDATES) -> None:
        self.reader, self.options, self.candidates = reader, options, candidates
        self.network = reader.network
        self.layers, self.heads = len(self.network.layers), len(self.network.layers[0].attention.W_Q)
        self.ratios = Ratios(self.layers, self.heads)

    @classmethod
    def of(cls, model: LanguageModel, options: IndexOptions, *, candidates: int = CANDIDATES) -> RelationIndex:
        """For a language model, from the source that the options name."""
        return cls(layer_reader(model, options.source), options, candidates=candidates)

    @property
    def device(self) -> torch.device:
        """Where batches are wanted."""
        return self.network.embedding.device

    def measure(self, batch: Batch) -> pa.Table:
        """One row for every group, layer, head and level with events: `interp.heads.index.rows`. Adds to `ratios`."""
        recall = lay_out(batch, self.options.source, self.candidates)
        readout = ContextReadout(self.reader, batch, self.options)
        groups, found = group_table(recall), [schema(recall.slots).empty_table()]

        def visit(reading: LayerReading) -> None:
            where = attended(reading, batch, self.options)
            self.ratios.add(reading.layer, where, batch.lengths)
            events = find_events(where, batch, recall.earliest)
            if len(events.row):
                tally = self._tally(batch, recall, events, readout.logits(reading, events).cpu().numpy())
                found.append(layer_rows(groups, recall, reading.layer, self.options.taus, *tally))

        self.reader.visit(batch.tokens, visit)
        return pa.concat_tables(found)

    def _tally(self, batch: Batch, recall: Recall, events: Events, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of shares and numbers of events, [group, head, level, slot]."""
        row, head, query, key, ratio = (column.cpu().numpy() for column in events)
        level = np.searchsorted(self.options.taus, ratio) - 1
        shape = (len(recall.groups), self.heads, len(self.options.taus), recall.slots)
        sums, counts = np.zeros(shape), np.zeros(shape, dtype=np.int32)
        where, entries = (row, head, query, key, level), (recall.group, recall.slot, recall.ready, recall.place)
        add_events(logits, batch.seen, *where, recall.start, *entries, sums, counts)
        return sums, counts
