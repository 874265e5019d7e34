"""Recursive tracing: from a target down to the embeddings, one site at a time.

1. Attribute the target; a source's influence is its share of the |contributions|, biases included.
2. Go down the sites. All readers of a site lie above it, so when a site is reached its features' influence is final:
   influence(s) = sum over readers t of influence(t) * |contribution(s -> t)| / sum |contributions to t|.
   This is circuit-tracer's sum over powers of the normalised adjacency, in one pass since the graph has an order.
3. Features with enough influence become targets themselves, all of a site in one batch of rows.
4. Prune (`interp.circuits.graph`).

Only features are expanded: embeddings, decoder biases and errors are leaves, and the share that ends in errors is the
part of the circuit that the dictionaries do not explain.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch import Tensor

from interp.circuits.attribution import Row, attribute, contributions, group_sums, readout
from interp.circuits.decomposition import Decomposition
from interp.circuits.graph import Graph, prune
from interp.circuits.naming import BIAS_ID, describe
from interp.circuits.readouts import Readouts, feature_readouts
from interp.circuits.sources import Kind
from interp.circuits.targets import FeatureTarget, Target

_HELD = 2**26
"""Numbers held in rows at most: a quarter of a gigabyte in float32."""


@dataclass(frozen=True)
class Pruning:
    """How far to follow a circuit and how much of it to keep."""

    expand: float = 0.002
    """A feature becomes a target itself if at least this share of the influence flows through it."""
    max_per_site: int = 24
    """Most features expanded at a site."""
    nodes: float = 0.8
    """Share of the influence that the kept nodes hold."""
    edges: float = 0.98
    """Share of the kept nodes' edge influence that the kept edges hold."""
    max_nodes: int = 250
    """Most nodes kept, whatever their share."""


@torch.no_grad()
def trace(d: Decomposition, target: Target, *, pruning: Pruning | None = None) -> Graph:
    """The circuit of a target. Its `sums` are those of the target's own row and are exact whatever was pruned."""
    began, pruning = time.perf_counter(), pruning or Pruning()
    row = attribute(d, target)
    expansion = _expand(d, row, pruning)
    graph = _assemble(d, row, expansion, pruning, began)
    return prune(graph, nodes=pruning.nodes, edges=pruning.edges, max_nodes=pruning.max_nodes)


class _Batch(NamedTuple):
    """Targets that were attributed together."""

    sources: Tensor
    """Source numbers of a site's features; -1 for the root."""
    flow: Tensor
    """Influence of each target a unit of |contribution| to it."""
    bias: Tensor
    rows: Tensor | None
    """None where rows would fill the memory: those of the nodes that stay are then made again."""


@torch.no_grad()
def ranking(d: Decomposition, target: Target, *, pruning: Pruning | None = None) -> Int[Tensor, " node"]:
    """All features, errors and whole outputs, which a faithfulness curve can leave out, the most influential first."""
    influence = _expand(d, attribute(d, target), pruning or Pruning()).influence
    kinds = torch.tensor([Kind.FEATURE, Kind.ERROR, Kind.OUTPUT], device=influence.device)
    nodes = torch.isin(d.sources.kind, kinds).nonzero()[:, 0]
    return nodes[influence[nodes].argsort(descending=True, stable=True)]


@dataclass
class _Expansion:
    """Influence of every source and of the constants, and what was expanded."""

    influence: Tensor
    bias_influence: float
    batches: list[_Batch]

    def add(self, sources: Tensor, readouts: Readouts, rows: Tensor, influence: Tensor) -> None:
        """Pass the influence of some targets on to their inputs."""
        sizes, bias = rows.abs(), torch.stack(list(readouts.biases.values())).sum(0)
        flow = influence / (sizes.sum(1) + bias.abs()).clamp_min(1e-30)
        self.influence += flow @ sizes
        self.bias_influence += float(flow @ bias.abs())
        held = sum(batch.rows.numel() for batch in self.batches if batch.rows is not None)
        self.batches.append(_Batch(sources, flow, bias, rows if held + rows.numel() <= _HELD else None))


def _readouts(d: Decomposition, root: Row, sources: Tensor) -> Readouts:
    """Readouts of the root, or of features of one site."""
    if int(sources[0]) < 0:
        return readout(d, root.target)
    site = d.network.sites[int(d.sources.order[sources[0]]) - 1]
    places = zip(d.sources.index[sources].tolist(), d.sources.position[sources].tolist(), strict=True)
    return feature_readouts(d, [FeatureTarget(site, index, position) for index, position in places])


def _expand(d: Decomposition, root: Row, pruning: Pruning) -> _Expansion:
    expansion = _Expansion(torch.zeros_like(root.contributions), 0.0, [])
    top = torch.full_like(d.sources.order[:1], -1)
    expansion.add(top, _readouts(d, root, top), root.contributions[None], torch.ones_like(root.contributions[:1]))
    is_feature = d.sources.kind == Kind.FEATURE
    for order in range(len(d.network.sites), 0, -1):
        here = (is_feature & (d.sources.order == order) & (expansion.influence >= pruning.expand)).nonzero()[:, 0]
        if not len(here):
            continue
        here = here[expansion.influence[here].topk(min(pruning.max_per_site, len(here))).indices]
        readouts = _readouts(d, root, here)
        expansion.add(here, readouts, contributions(d, readouts), expansion.influence[here])
    return expansion


def _assemble(d: Decomposition, root: Row, expansion: _Expansion, pruning: Pruning, began: float) -> Graph:
    """Number the nodes (target, strongest sources, constants) and gather the edges among them."""
    count = min(2 * pruning.max_nodes, int((expansion.influence > 0).sum()))
    sources = expansion.influence.topk(count).indices.sort().values
    number = torch.full((len(expansion.influence) + 1,), -1, device=sources.device)
    number[sources] = torch.arange(1, count + 1, device=sources.device)
    number[-1] = 0  # the root's source number is -1
    edges = [_edges(d, root, batch, number, sources) for batch in expansion.batches]
    source, target, weight, influence = (torch.cat(column).cpu().numpy() for column in zip(*edges, strict=True))
    nodes = _node_table(d, root, expansion, sources)
    ends, seconds = _ends(d, expansion), time.perf_counter() - began
    return Graph(
        root.target.text, root.value, root.sums, root.residual, nodes, source, target, weight, influence, ends, seconds
    )


def _ends(d: Decomposition, expansion: _Expansion) -> dict[str, float]:
    """Influence that was not passed on, by group."""
    left = expansion.influence.clone()
    for batch in expansion.batches[1:]:
        left[batch.sources] = 0
    ends = group_sums(d, left)
    ends["biases"] += expansion.bias_influence
    return ends


def _edges(
    d: Decomposition, root: Row, batch: _Batch, number: Tensor, sources: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower and upper node, weight and influence of the edges from `sources` and the constants to those that are nodes."""
    rows = contributions(d, _readouts(d, root, batch.sources)) if batch.rows is None else batch.rows
    weights = torch.cat([rows[:, sources], batch.bias[:, None]], 1)
    upper = number[batch.sources]
    row, column = (weights * (upper >= 0)[:, None]).nonzero(as_tuple=True)
    weight = weights[row, column]
    return column + 1, upper[row], weight, weight.abs() * batch.flow[row]


def _node_table(d: Decomposition, root: Row, expansion: _Expansion, sources: Tensor) -> pd.DataFrame:
    moves = getattr(root.target, "position", getattr(root.target, "query", 0)) + 1
    text = root.target.text
    first = _special(text, "target", "target", moves, text, 0.0, 1.0)
    constants = sum(root.biases.values())
    last = _special(BIAS_ID, "bias", "embed", 0, "biases of the targets", constants, expansion.bias_influence)
    middle = describe(d, sources).assign(
        contribution=root.contributions[sources].cpu().numpy(), influence=expansion.influence[sources].cpu().numpy()
    )
    return pd.concat([first, middle.astype({"activation": float}), last], ignore_index=True)


def _special(name: str, kind: str, row: str, move: int, label: str, contribution: float, influence: float) -> pd.DataFrame:
    """One row of the node table for what is no source."""
    values = (name, kind, row, move, None, -1, label, np.nan, contribution, influence)
    columns = ["id", "kind", "row", "move", "site", "index", "label", "activation", "contribution", "influence"]
    return pd.DataFrame([values], columns=columns).astype({"site": object})
