"""Attention scores as a bilinear form in the sources at query and key (He et al. 2024, arXiv 2402.12201, B4 of our notes).

S_ij = sum_{s at i, t at j} LN*_i(v_s) W_Q R_i R_j^T W_K^T LN*_j(v_t)^T / sqrt(d_head), with one more row for the
query's bias (b_ln W_Q + b_Q) and one more column for the key's; R are the rotations of rotary models. With
`minus_mean` the key j is replaced by key j minus the mean of the keys up to i, which the softmax ignores.

As a graph needs one number a source, half of every pair goes to its query side and half to its key side. Those are
linear readouts (the other side held fixed) and add up to the score.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.naming import BIAS_ID, node_ids
from interp.circuits.readouts import Readouts
from interp.circuits.sources import GROUPS
from interp.circuits.targets import AttentionTarget
from interp.models.record import Record

_PRECEDENCE = ("errors", "features", "embeddings", "biases")


class AttentionPairs(NamedTuple):
    """A score by pairs of sources; the last row and column are the biases of query and key."""

    matrix: Float[Tensor, "query key"]
    query_sources: Int[Tensor, " query" - 1]
    """Source numbers of the rows but the last."""
    key_sources: Int[Tensor, " key" - 1]
    query_ids: list[str]
    key_ids: list[str]
    sums: dict[str, float]
    """The score by kind: a pair counts as the first of errors, features, embeddings, biases that either side is."""
    value: float

    def top(self, count: int) -> pd.DataFrame:
        """The largest pairs by magnitude: `query`, `key`, `query_id`, `key_id`, `contribution`."""
        flat = self.matrix.flatten()
        best = flat.abs().topk(min(count, len(flat))).indices.cpu()
        rows, columns = best // self.matrix.shape[1], best % self.matrix.shape[1]
        query = [self.query_ids[row] for row in rows.tolist()]
        key = [self.key_ids[column] for column in columns.tolist()]
        contribution = flat.cpu()[best].tolist()
        return pd.DataFrame({"query": query, "key": key, "query_id": query, "key_id": key, "contribution": contribution})


def key_weights(d: Decomposition, target: AttentionTarget) -> Float[Tensor, " pos"]:
    """Factors on the scores of each key that make up the target."""
    weights = torch.zeros_like(d.record.final_scale)
    weights[target.key] = 1
    if target.minus_mean:
        weights[: target.query + 1] -= 1 / (target.query + 1)
    return weights


@torch.no_grad()
def attention_pairs(d: Decomposition, target: AttentionTarget) -> AttentionPairs:
    """Contributions of all pairs of sources to an attention score."""
    weights, reads = key_weights(d, target), 2 * target.layer
    query = _heads(d, target, "Q", [target.query], torch.ones_like(weights))
    positions = weights.nonzero()[:, 0].tolist()
    key = _heads(d, target, "K", positions, weights)
    matrix = query @ key.T * d.network.layers[target.layer].attention.scale
    everything = torch.arange(len(d.sources.kind), device=matrix.device)
    query_sources = everything[d.sources.below(target.query, reads)]
    key_sources = torch.cat([everything[d.sources.below(position, reads)] for position in positions])
    query_group, key_group = _groups(d, query_sources), _groups(d, key_sources)
    joint = torch.minimum(query_group[:, None], key_group)
    sums = {name: float(matrix.double()[joint == code].sum()) for code, name in enumerate(_PRECEDENCE)}
    names = [*node_ids(d, query_sources), BIAS_ID], [*node_ids(d, key_sources), BIAS_ID]
    return AttentionPairs(matrix, query_sources, key_sources, *names, sums, float(score_of(d.record, weights, target)))


def score_of(record: Record, weights: Float[Tensor, " pos"], target: AttentionTarget) -> Float[Tensor, "*batch"]:
    """The target's value in a run."""
    return record.layers[target.layer].scores[..., target.head, target.query, :] @ weights


def _groups(d: Decomposition, sources: Tensor) -> Tensor:
    """Rank of each source's group in `_PRECEDENCE`, and that of the biases at the end."""
    table = torch.zeros(6, dtype=torch.int64, device=sources.device)
    for rank, name in enumerate(_PRECEDENCE):
        table[list(GROUPS[name])] = rank
    last = torch.full((1,), _PRECEDENCE.index("biases"), device=sources.device)
    return torch.cat([table[d.sources.kind[sources]], last])


def _heads(d: Decomposition, target: AttentionTarget, side: str, positions: list[int], weights: Tensor) -> Tensor:
    """Rotated and weighted query or key vectors of all sources at `positions`, [source + 1, d_head], the bias last."""
    layer, scale = d.network.layers[target.layer], d.record.layers[target.layer].attention_scale
    matrix, bias = _side(d, target, side)
    constant = layer.norm_attention.bias @ matrix + bias
    rows, biases = [], torch.zeros_like(constant)
    for position in positions:
        sources = d.sources.vectors[d.sources.below(position, 2 * target.layer)]
        normed = layer.norm_attention.linear(sources, scale[position].expand(len(sources)))
        rows.append(weights[position] * _rotate(d, target, normed @ matrix, position))
        biases = biases + weights[position] * _rotate(d, target, constant[None], position)[0]
    return torch.cat([*rows, biases[None]])


def _side(d: Decomposition, target: AttentionTarget, side: str) -> tuple[Tensor, Tensor]:
    attention = d.network.layers[target.layer].attention
    head = target.head if side == "Q" else int(attention.kv_of_head[target.head])
    return (attention.W_Q[head], attention.b_Q[head]) if side == "Q" else (attention.W_K[head], attention.b_K[head])


def _rotate(d: Decomposition, target: AttentionTarget, x: Tensor, position: int, *, transpose: bool = False) -> Tensor:
    rotary = d.network.layers[target.layer].attention.rotary
    if rotary is None:
        return x
    return rotary.rotate(x, torch.full((len(x),), position, device=x.device), transpose=transpose)


def score_readout(d: Decomposition, target: AttentionTarget) -> Readouts:
    """Half of the score read at the query with the keys fixed, half at the keys with the query fixed."""
    record, scale = d.record.layers[target.layer], d.network.layers[target.layer].attention.scale / 2
    weights = key_weights(d, target)
    positions = weights.nonzero()[:, 0].tolist()
    mixed_key = weights @ record.k[target.head]
    halves = [_half(d, target, "Q", target.query, mixed_key * scale)]
    query = record.q[target.head, target.query]
    halves += [_half(d, target, "K", position, query * scale * weights[position]) for position in positions]
    reads, norm_bias, bias = (torch.stack(column) for column in zip(*halves, strict=True))
    biases = {
        "b_ln": norm_bias.sum()[None],
        "b_Q": bias[0][None],
        "b_K": bias[1:].sum()[None],
    }
    position = torch.tensor([target.query, *positions], device=reads.device)
    value = score_of(d.record, weights, target)[None]
    return Readouts(2 * target.layer, torch.zeros_like(position), position, reads, biases, value)


def _half(d: Decomposition, target: AttentionTarget, side: str, position: int, other: Tensor) -> list[Tensor]:
    """Read vector, norm-bias term and bias term of one side, the rotated `other` side held fixed."""
    norm, scale = d.network.layers[target.layer].norm_attention, d.record.layers[target.layer].attention_scale
    matrix, bias = _side(d, target, side)
    unrotated = _rotate(d, target, other[None], position, transpose=True)[0]
    direction = matrix @ unrotated
    return [norm.transpose(direction, scale[position]), norm.bias @ direction, bias @ unrotated]
