"""A traced circuit as arrays, and pure functions on it: influence, pruning, frames.

Pruning follows circuit-tracer (Ameisen et al. 2025): keep the nodes that hold a share of all influence on the
target, then the edges that hold a share of what is left, then drop nodes from which the target cannot be reached.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Graph:
    """Nodes are rows of `nodes`; row 0 is the target."""

    target: str
    """Text of the target; also its node's `id`."""
    value: float
    """The target's true value."""
    sums: dict[str, float]
    """Direct contributions by group: features, embeddings, errors, biases."""
    residual: float
    """`value` minus the sums."""
    nodes: pd.DataFrame
    """`id`, `kind`, `row`, `move` (position from 1; 0: none), `site`, `index`, `label`, `activation`, `contribution`
    (direct, to the target), `influence` (share of the target's value that flows through the node, all paths)."""
    edge_source: Int[np.ndarray, " edge"]
    """Row of each edge's lower node."""
    edge_target: Int[np.ndarray, " edge"]
    edge_weight: Float[np.ndarray, " edge"]
    """Contribution of the lower node to the upper one's pre-activation (or to the target's value)."""
    edge_influence: Float[np.ndarray, " edge"]
    """Influence of the upper node times the edge's share of all |contributions| to it."""
    ends: dict[str, float]
    """Where the influence comes from in the end, before pruning: shares of `features` (those not followed further),
    `embeddings`, `errors`, `biases`, which add up to one."""
    seconds: float = 0.0
    """What the tracing took."""

    def node_frame(self) -> pd.DataFrame:
        """A copy of the nodes."""
        return self.nodes.copy()

    def edge_frame(self) -> pd.DataFrame:
        """`source`, `target` (identifiers), `weight`."""
        ids = self.nodes["id"].to_numpy()
        return pd.DataFrame({"source": ids[self.edge_source], "target": ids[self.edge_target], "weight": self.edge_weight})


def prune(graph: Graph, *, nodes: float, edges: float, max_nodes: int) -> Graph:
    """Keep the fewest nodes, at most `max_nodes`, that hold the share `nodes` of the influence; then edges likewise."""
    influence = graph.nodes["influence"].to_numpy()[1:]
    kept = np.concatenate([[True], _holding(influence, nodes, max_nodes)])
    graph = _restrict(graph, kept)
    kept_edges = _holding(graph.edge_influence, edges, len(graph.edge_influence))
    graph = _keep_edges(graph, kept_edges)
    return _restrict(graph, _reaching_target(graph))


def _holding(weights: np.ndarray, share: float, limit: int) -> np.ndarray:
    """Mask of the fewest largest weights that add up to `share` of the total, at most `limit`."""
    order = np.argsort(-weights, kind="stable")
    held = np.cumsum(weights[order])
    count = min(int(np.searchsorted(held, share * held[-1])) + 1, limit) if len(held) else 0
    mask = np.zeros(len(weights), bool)
    mask[order[:count]] = True
    return mask & (weights > 0)


def _keep_edges(graph: Graph, mask: np.ndarray) -> Graph:
    return replace(
        graph,
        edge_source=graph.edge_source[mask],
        edge_target=graph.edge_target[mask],
        edge_weight=graph.edge_weight[mask],
        edge_influence=graph.edge_influence[mask],
    )


def _restrict(graph: Graph, kept: np.ndarray) -> Graph:
    """The graph on the kept nodes."""
    graph = _keep_edges(graph, kept[graph.edge_source] & kept[graph.edge_target])
    number = np.cumsum(kept) - 1
    return replace(
        graph,
        nodes=graph.nodes[kept].reset_index(drop=True),
        edge_source=number[graph.edge_source],
        edge_target=number[graph.edge_target],
    )


def _reaching_target(graph: Graph) -> np.ndarray:
    reaching = np.zeros(len(graph.nodes), bool)
    reaching[0] = True
    while True:
        found = graph.edge_source[reaching[graph.edge_target]]
        if reaching[found].all():
            return reaching
        reaching[found] = True
