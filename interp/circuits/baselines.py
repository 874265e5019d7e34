"""What tracing is compared with: activation patching, direct path patching, gradient x input.

All give, for each source, the part of the target's value that it carries: value minus value without the source for
the two patchings, slope times size for the gradient. Path patching holds every other write, so it is the direct effect
with the target's module reacting in full: compare it with direct contributions. Activation patching is the total.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.interventions import PATH, TOTAL, edited_run, value_in
from interp.circuits.targets import Target
from interp.models.network import Edits, Freezable


def activation_patching(
    d: Decomposition, target: Target, sources: Int[Tensor, " node"], *, batch: int = 16
) -> Float[Tensor, " node"]:
    """Total effect of each source: what the target loses when it is removed and everything later reacts."""
    return _removals(d, target, sources, TOTAL, batch)


def path_patching(
    d: Decomposition, target: Target, sources: Int[Tensor, " node"], *, batch: int = 16
) -> Float[Tensor, " node"]:
    """Direct effect of each source: what the target loses when only its own module sees the removal."""
    return _removals(d, target, sources, PATH, batch)


@torch.no_grad()
def _removals(d: Decomposition, target: Target, sources: Tensor, freeze: frozenset[Freezable], batch: int) -> Tensor:
    value = value_in(d, d.record, target)
    changed = [
        value_in(d, edited_run(d, list(part[:, None]), factor=0.0, freeze=freeze), target) for part in sources.split(batch)
    ]
    return value - torch.cat(changed)


def gradient_times_input(d: Decomposition, target: Target, sources: Int[Tensor, " node"]) -> Float[Tensor, " node"]:
    """First-order estimate of the total effect: the gradient at each site times the source's vector."""
    leaves = {site: torch.zeros_like(d.record.resid_final, requires_grad=True) for site in ["embed", *d.network.sites]}
    maps = {site: (lambda written, leaf=leaf: written + leaf) for site, leaf in leaves.items()}
    with torch.enable_grad():
        value = value_in(d, d.network.run(d.record.tokens, Edits(maps)), target)
        slopes = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    stacked = torch.stack([torch.zeros_like(d.record.resid_final) if slope is None else slope for slope in slopes])
    at_source = stacked[d.sources.order[sources], d.sources.position[sources]]
    return (at_source * d.sources.vectors[sources]).sum(-1)
