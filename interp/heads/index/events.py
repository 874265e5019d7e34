"""Events: a head at a position whose attention is largest on a token of interest, and what the head then raises.

Steps 1 and 2 of the definition (arXiv 2402.13055, section 3) find the events of one layer in its attention patterns;
step 3 takes a value vector through W_O and the unembedding, for the document's own tokens only. All biases on the way
are part of it: those of values and attention output (whole for each head, as in the code of the copying score, arXiv
2212.09095), of the final norm where it is asked for, and of the unembedding.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.index.batches import Batch
from interp.heads.index.layers import LayerReader, LayerReading
from interp.heads.index.options import IndexOptions


class Attended(NamedTuple):
    """Where each head looks from each position."""

    key: Int[Tensor, "batch head query"]
    """The most attended position; with `source="embed"` the first one of its token."""
    ratio: Float[Tensor, "batch head query"]
    """Attention there over the largest on a position that holds another token; infinite without such a position."""


class Events(NamedTuple):
    """Some (document, head, j) of one layer, by document."""

    row: Int[Tensor, " event"]
    head: Int[Tensor, " event"]
    query: Int[Tensor, " event"]
    """The position j."""
    key: Int[Tensor, " event"]
    """The attended position s."""
    ratio: Float[Tensor, " event"]


def attended(reading: LayerReading, batch: Batch, options: IndexOptions) -> Attended:
    """The arg max of every attention row and how far it stands out."""
    tokens, (size, heads, width, _) = batch.tokens, reading.pattern.shape
    top, key = reading.pattern.max(-1)
    token = tokens.gather(1, key.view(size, -1)).view(size, heads, width, 1)
    runner_up = reading.pattern.masked_fill(token == tokens[:, None, None, :], 0.0).amax(-1)
    if options.source == "embed":
        first = torch.as_tensor(batch.first, device=key.device)
        key = first.gather(1, key.view(size, -1)).view_as(key)
    return Attended(key, top / runner_up)


def find_events(where: Attended, batch: Batch, earliest: Int[np.ndarray, "batch pos"]) -> Events:
    """Events at j >= earliest[b, s], s being the attended position."""
    size, width = batch.tokens.shape
    device = where.key.device
    position = torch.arange(width, device=device)
    begins = torch.as_tensor(earliest, device=device).gather(1, where.key.view(size, -1)).view_as(where.key)
    inside = position < torch.as_tensor(batch.lengths, device=device)[:, None, None]
    row, head, query = (inside & (begins <= position)).nonzero(as_tuple=True)
    return Events(row, head, query, where.key[row, head, query], where.ratio[row, head, query])


class ContextReadout:
    """From the events of any layer to their logits on a batch's own tokens."""

    def __init__(self, reader: LayerReader, batch: Batch, options: IndexOptions) -> None:
        self.network, self.batch, self.ov_token = reader.network, batch, options.ov_token
        self.scales = reader.final_scales(batch.tokens) if options.final_norm else None
        unembedding, bias = self.network.unembedding, self.network.unembedding_bias
        self.columns = [(unembedding[:, tokens], bias[tokens]) for tokens in batch.vocabularies]

    def logits(self, reading: LayerReading, events: Events) -> Float[Tensor, "event distinct"]:
        """In the order of each document's vocabulary; zero beyond its end."""
        written = self.written(reading, events)
        if self.scales is not None:
            norm = self.network.norm_final
            written = norm.linear(written, self.scales[events.row, events.query]) + norm.bias
        logits = written.new_zeros(len(written), max(len(tokens) for tokens in self.batch.vocabularies))
        for rows, (columns, bias) in zip(self._by_document(events), self.columns, strict=True):
            logits[rows, : len(bias)] = torch.addmm(bias, written[rows], columns)
        return logits

    def written(self, reading: LayerReading, events: Events) -> Float[Tensor, "event d_model"]:
        """What each event's head writes for the token that `IndexOptions.ov_token` names."""
        attention, read = self.network.layers[reading.layer].attention, self._read(reading, events)
        written = torch.empty_like(read)
        for head, group in enumerate(attention.kv_of_head.tolist()):
            chosen = (events.head == head).nonzero()[:, 0]
            value = torch.addmm(attention.b_V[group], read[chosen], attention.W_V[group])
            written[chosen] = torch.addmm(attention.b_O, value, attention.W_O[head])
        return written

    def _read(self, reading: LayerReading, events: Events) -> Float[Tensor, "event d_model"]:
        """The attention's input at a token, or mixed by the attention: its weights add up to one, so values mix alike."""
        if self.ov_token != "mixed":
            return reading.x[events.row, events.query if self.ov_token == "current" else events.key]
        weights = reading.pattern[events.row, events.head, events.query]
        mixed = [weights[rows] @ x for rows, x in zip(self._by_document(events), reading.x, strict=True)]
        return torch.cat(mixed)

    def _by_document(self, events: Events) -> list[slice]:
        documents = torch.arange(len(self.batch.documents) + 1, device=events.row.device)
        return [slice(*bounds) for bounds in pairwise(torch.searchsorted(events.row, documents).tolist())]
