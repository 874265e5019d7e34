"""Which tokens a feature writes for: a first reading of features that nobody has looked at.

The direct path alone: a decoder row through the final norm's weight (its centring included, its scale left out) and
the unembedding. What later layers make of the feature is not seen, so the reading is best for late sites.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.graph import Graph


@torch.no_grad()
def promoted_tokens(
    d: Decomposition, features: Sequence[tuple[str, int]], *, count: int = 3
) -> Int[Tensor, "feature count"]:
    """The tokens that features, given as site and number, write for most."""
    directions = torch.stack([d.dictionaries[site].W_dec.detach()[index] for site, index in features])
    norm = d.network.norm_final
    normed = norm.linear(directions.to(norm.weight.dtype), norm.weight.new_ones(len(features)))
    return (normed @ d.network.unembedding).topk(count).indices


def with_promoted_tokens(graph: Graph, d: Decomposition, text_of: Callable[[int], str]) -> Graph:
    """The graph with each feature's label followed by the tokens it writes for."""
    nodes = graph.node_frame()
    features = nodes.index[nodes["kind"] == "feature"]
    if len(features):
        places = list(zip(nodes.loc[features, "site"], nodes.loc[features, "index"], strict=True))
        words = [" ".join(repr(text_of(token)) for token in row) for row in promoted_tokens(d, places).tolist()]
        nodes.loc[features, "label"] = [
            f"{label} {row}" for label, row in zip(nodes.loc[features, "label"], words, strict=True)
        ]
    return replace(graph, nodes=nodes)
