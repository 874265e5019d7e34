"""Attention scores as a bilinear form in the sources at query and key (He et al. 2024, arXiv 2402.12201, B4 of our notes).

S_ij = sum_{s at i, t at j} LN*_i(v_s) W_Q R_i R_j^T W_K^T LN*_j(v_t)^T / sqrt(d_head), with one more row for the
query's bias (b_ln W_Q + b_Q) and one more column for the key's; R are the rotations of rotary models. With
`minus_mean` the key j is replaced by key j minus the mean of the keys up to i, which the softmax ignores.

As a graph needs one number a source, half of every pair goes to its query side and half to its key side. Those are
linear readouts (the other side held fixed) and add up to the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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

_BLOCK = 2**24
"""Pairs made at once while the largest are looked for."""
_PRECEDENCE = ("errors", "features", "embeddings", "biases")


@dataclass(frozen=True)
class AttentionPairs:
    """A score by pairs of sources; the last row and column are the biases of query and key.

    Held as the vectors of both sides: with a long prompt and `minus_mean` the pairs themselves may be thousands of
    millions, so they are made only where they are asked for.
    """

    decomposition: Decomposition
    query: Float[Tensor, "query d_head"]
    """Rotated query vectors of the sources, the score's scale included."""
    key: Float[Tensor, "key d_head"]
    """Rotated and weighted key vectors of the sources."""
    query_sources: Int[Tensor, " query" - 1]
    """Source numbers of the rows but the last."""
    key_sources: Int[Tensor, " key" - 1]
    value: float

    @property
    def matrix(self) -> Float[Tensor, "query key"]:
        """All pairs."""
        return self.query @ self.key.T

    @cached_property
    def query_ids(self) -> list[str]:
        """Names of the rows."""
        return [*node_ids(self.decomposition, self.query_sources), BIAS_ID]

    @cached_property
    def key_ids(self) -> list[str]:
        """Names of the columns."""
        return [*node_ids(self.decomposition, self.key_sources), BIAS_ID]

    @cached_property
    def sums(self) -> dict[str, float]:
        """The score by kind: a pair counts as the first of errors, features, embeddings, biases that either side is."""
        query_group, key_group = (_groups(self.decomposition, side) for side in (self.query_sources, self.key_sources))
        # Both sides of rank r or later: the product of two sums. Each rank is what the next one leaves.
        later = [
            float(self.query[query_group >= rank].double().sum(0) @ self.key[key_group >= rank].double().sum(0))
            for rank in range(len(_PRECEDENCE) + 1)
        ]
        return {name: later[rank] - later[rank + 1] for rank, name in enumerate(_PRECEDENCE)}

    def margins(self) -> tuple[Float[Tensor, " query"], Float[Tensor, " key"]]:
        """Sums of the rows and of the columns."""
        return self.query @ self.key.sum(0), self.key @ self.query.sum(0)

    def scaled(self, query_factors: Float[Tensor, " query"], key_factors: Float[Tensor, " key"]) -> float:
        """The score with sources scaled on either side, in float64."""
        return float((query_factors.double() @ self.query.double()) @ (key_factors.double() @ self.key.double()))

    def top(self, count: int) -> pd.DataFrame:
        """The largest pairs by magnitude: `query`, `key`, `query_id`, `key_id`, `contribution`."""
        values, rows, columns = [], [], []
        step = max(1, _BLOCK // len(self.key))
        for first in range(0, len(self.query), step):
            block = self.query[first : first + step] @ self.key.T
            best = block.abs().flatten().topk(min(count, block.numel())).indices
            values.append(block.flatten()[best])
            rows.append(first + best // len(self.key))
            columns.append(best % len(self.key))
        found, row, column = torch.cat(values), torch.cat(rows), torch.cat(columns)
        order = found.abs().argsort(descending=True, stable=True)[:count]
        query = [self.query_ids[index] for index in row[order].tolist()]
        key = [self.key_ids[index] for index in column[order].tolist()]
        contribution = found[order].tolist()
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
    everything = torch.arange(len(d.sources.kind), device=query.device)
    query_sources = everything[d.sources.below(target.query, reads)]
    key_sources = torch.cat([everything[d.sources.below(position, reads)] for position in positions])
    scale, value = d.network.layers[target.layer].attention.scale, float(score_of(d.record, weights, target))
    return AttentionPairs(d, query * scale, key, query_sources, key_sources, value)


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
