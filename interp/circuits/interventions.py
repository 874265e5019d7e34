"""Does a traced contribution hold in a real forward pass? Scale nodes, run the network again, compare.

A node is scaled by adding (factor - 1) times its vector to what its site writes at its position. Frozen, with norm
scales, patterns, gates and all other writes held, only the direct edge acts and the measured change must equal the
prediction. Unfrozen, everything later reacts and the measured change is the node's total effect. Between the two
lies direct path patching: other writes held, but the target's own module reacts in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.circuits.attention_pairs import attention_pairs, key_weights, score_of
from interp.circuits.attribution import attribute
from interp.circuits.decomposition import Decomposition
from interp.circuits.naming import find_sources
from interp.circuits.readouts import pre_activations_of, token_weights
from interp.circuits.targets import AttentionTarget, LogitTarget, Target
from interp.models.network import Edits, Freezable
from interp.models.record import Record

DIRECT: frozenset[Freezable] = frozenset({"patterns", "scales", "gates", "writes"})
"""Only the edge itself acts."""
PATH: frozenset[Freezable] = frozenset({"writes"})
"""The target's module reacts in full, no other does."""
TOTAL: frozenset[Freezable] = frozenset()
"""Everything later reacts."""


class Ablation(NamedTuple):
    """Outcome of scaling nodes."""

    predicted: float
    """Change of the target that the direct contributions foretell."""
    measured: float
    """Change of the target in the edited pass."""
    logits_before: Float[Tensor, " vocab"]
    """At the last position."""
    logits_after: Float[Tensor, " vocab"]


@torch.no_grad()
def ablate(d: Decomposition, target: Target, nodes: Sequence[str], *, factor: float = 0.0, frozen: bool = False) -> Ablation:
    """Scale the nodes together by `factor` (0 removes them). Raises UserError for a node that is no source."""
    sources = find_sources(d, list(dict.fromkeys(nodes)))
    edited = edited_run(d, [sources], factor=factor, freeze=DIRECT if frozen else TOTAL)
    measured = float(value_in(d, edited, target)[0] - value_in(d, d.record, target))
    predicted = predicted_change(d, target, sources, factor)
    return Ablation(predicted, measured, d.record.logits[-1], edited.logits[0, -1])


def predicted_change(d: Decomposition, target: Target, sources: Int[Tensor, " node"], factor: float) -> float:
    """Change of the target's direct part when sources are scaled; a score also changes by pairs of scaled sources."""
    if not isinstance(target, AttentionTarget):
        return (factor - 1) * float(attribute(d, target).contributions[sources].double().sum())
    pairs = attention_pairs(d, target)
    one = torch.ones(1, dtype=torch.float64, device=sources.device)
    query, key = (
        torch.cat([torch.where(torch.isin(side, sources), factor * one, one), one])
        for side in (pairs.query_sources, pairs.key_sources)
    )
    return pairs.scaled(query, key) - pairs.scaled(torch.ones_like(query), torch.ones_like(key))


def edited_run(
    d: Decomposition, groups: Sequence[Int[Tensor, " node"]], *, factor: float, freeze: frozenset[Freezable]
) -> Record:
    """One batch of forward passes; pass b scales the sources of group b together."""
    table, deltas = d.sources, {}
    for order in table.order[torch.cat(list(groups))].unique().tolist():
        delta = d.record.resid_final.new_zeros(len(groups), *d.record.resid_final.shape)
        for item, sources in zip(delta, groups, strict=True):
            here = sources[table.order[sources] == order]
            item.index_add_(0, table.position[here], (factor - 1) * table.vectors[here])
        deltas["embed" if order == 0 else d.network.sites[order - 1]] = delta
    maps = {site: (lambda written, delta=delta: written + delta) for site, delta in deltas.items()}
    return d.network.run(d.record.tokens, Edits(maps, d.record, freeze))


def value_in(d: Decomposition, record: Record, target: Target) -> Float[Tensor, "*batch"]:
    """The target's value in a run, with the dictionaries of `d`."""
    if isinstance(target, LogitTarget):
        return record.logits[..., target.position, :] @ token_weights(d, target)
    if isinstance(target, AttentionTarget):
        return score_of(record, key_weights(d, target), target)
    device = d.record.tokens.device
    index, position = torch.tensor([target.index], device=device), torch.tensor([target.position], device=device)
    return pre_activations_of(d, record, target.site, index, position)[..., 0]
