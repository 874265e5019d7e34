"""Events: a head at a position whose attention is largest on a token of interest, and what the head then raises.

Steps 1 and 2 of the definition (arXiv 2402.13055, section 3) find the events of one layer in its attention patterns;
step 3 takes a value vector through W_O and the unembedding, for the document's own tokens only. All biases on the way
are part of it: those of values and attention output (whole for each head, as in the code of the copying score, arXiv
2212.09095), of the final norm where it is asked for, and of the unembedding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.batches import Batch
from interp.heads.layers import LayerReading
from interp.heads.options import IndexOptions, OvToken
from interp.models.network import Attention, Network


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


def context_logits(
    network: Network,
    reading: LayerReading,
    batch: Batch,
    events: Events,
    options: IndexOptions,
    scales: Float[Tensor, "batch pos"] | None = None,
) -> Float[Tensor, "event distinct"]:
    """Each event's logits on its document's distinct tokens; columns beyond a document's number of them are zero.

    `scales` are those of the final norm (`interp.heads.layers.final_scales`), wanted with `options.final_norm`.
    """
    written = head_outputs(network.layers[reading.layer].attention, reading, events, options.ov_token)
    if scales is not None:
        norm = network.norm_final
        written = norm.linear(written, scales[events.row, events.query]) + norm.bias
    logits = written.new_zeros(len(written), max(len(tokens) for tokens in batch.vocabularies))
    bounds = torch.searchsorted(events.row, torch.arange(len(batch.documents) + 1, device=events.row.device)).tolist()
    for tokens, first, end in zip(batch.vocabularies, bounds[:-1], bounds[1:], strict=True):
        columns = network.unembedding[:, tokens]
        logits[first:end, : len(tokens)] = torch.addmm(network.unembedding_bias[tokens], written[first:end], columns)
    return logits


def head_outputs(
    attention: Attention, reading: LayerReading, events: Events, ov_token: OvToken
) -> Float[Tensor, "event d_model"]:
    """What each event's head writes for the value that `ov_token` names."""
    values = torch.einsum("bpd,kde->bkpe", reading.x, attention.W_V) + attention.b_V[:, None]
    source = attention.kv_of_head[events.head]
    if ov_token == "mixed":
        weights = reading.pattern[events.row, events.head, events.query]
        value = _mixed(values, weights, events.row, source)
    else:
        position = events.query if ov_token == "current" else events.key
        value = values[events.row, source, position]
    written = value.new_empty(len(value), attention.W_O.shape[-1])
    for head, W_O in enumerate(attention.W_O):
        chosen = (events.head == head).nonzero()[:, 0]
        written[chosen] = torch.addmm(attention.b_O, value[chosen], W_O)
    return written


def _mixed(
    values: Float[Tensor, "batch kv_head pos d_head"],
    weights: Float[Tensor, "event pos"],
    row: Int[Tensor, " event"],
    source: Int[Tensor, " event"],
) -> Float[Tensor, "event d_head"]:
    """Values mixed by attention weights, for the events alone."""
    mixed = weights.new_empty(len(weights), values.shape[-1])
    for index in range(values.shape[0]):
        for kv_head in range(values.shape[1]):
            chosen = ((row == index) & (source == kv_head)).nonzero()[:, 0]
            mixed[chosen] = weights[chosen] @ values[index, kv_head]
    return mixed
