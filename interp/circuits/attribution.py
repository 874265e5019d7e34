"""Attribution rows: one target's value as a sum of contributions of all sources below it, plus the target's biases.

contribution(s) = u_{p(s)} . v_s with the read vectors of `interp.circuits.readouts`. A row costs one dot product a
source: no further forward pass, no gradient. Sums are accumulated in float64; `residual` is the true value minus
their total and stays below 1e-4 of the sum of |contributions|.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from interp.circuits.attention_pairs import attention_pairs, score_readout
from interp.circuits.decomposition import Decomposition
from interp.circuits.naming import describe
from interp.circuits.readouts import Readouts, attention_reads, feature_readouts, logit_readout
from interp.circuits.sources import GROUPS
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target


class Row(NamedTuple):
    """One attributed target."""

    decomposition: Decomposition
    target: Target
    value: float
    """The true value, taken from the forward pass."""
    contributions: Float[Tensor, " source"]
    """Zero for sources that the target does not read."""
    biases: dict[str, float]
    """The target's own constants by name."""
    sums: dict[str, float]
    """Totals of `features`, `embeddings`, `errors`, `biases`."""

    @property
    def residual(self) -> float:
        """`value` minus the sums."""
        return self.value - sum(self.sums.values())

    @property
    def magnitude(self) -> float:
        """Sum of |contributions|, biases included."""
        return float(self.contributions.double().abs().sum()) + sum(map(abs, self.biases.values()))

    def to_frame(self) -> pd.DataFrame:
        """The contributing sources, largest first: columns of `interp.circuits.naming.describe` and `contribution`."""
        sources = self.contributions.nonzero()[:, 0]
        order = self.contributions[sources].abs().argsort(descending=True, stable=True)
        frame = describe(self.decomposition, sources[order])
        return frame.assign(contribution=self.contributions[sources[order]].cpu().numpy())


def readout(d: Decomposition, target: Target) -> Readouts:
    """The linear readout of any target."""
    if isinstance(target, LogitTarget):
        return logit_readout(d, target)
    return score_readout(d, target) if isinstance(target, AttentionTarget) else feature_readouts(d, [target])


def contributions(d: Decomposition, readouts: Readouts) -> Float[Tensor, "target source"]:
    """Contributions of all sources to each target of a batch of readouts."""
    result = readouts.reads.new_zeros(len(readouts.value), len(d.sources.kind))
    for position in readouts.position.unique().tolist():
        here = readouts.position == position
        sources = d.sources.below(position, readouts.sites_read)
        products = readouts.reads[here] @ d.sources.vectors[sources].T
        # A score whose query is its key reads one position twice, so products are added and not set.
        result[:, sources].index_add_(0, readouts.target[here], products)
    return result


@torch.no_grad()
def attribute(d: Decomposition, target: Target) -> Row:
    """Attribute one target. For an attention score each pair is halved between query and key (`attention_pairs`)."""
    linear = readout(d, target)
    row = contributions(d, linear)[0]
    biases = {name: float(bias[0]) for name, bias in linear.biases.items()}
    if isinstance(target, AttentionTarget):
        sums = attention_pairs(d, target).sums
    else:
        sums = group_sums(d, row)
        sums["biases"] += sum(biases.values())
    return Row(d, target, float(linear.value[0]), row, biases, {name: sums[name] for name in GROUPS})


def group_sums(d: Decomposition, row: Float[Tensor, " source"]) -> dict[str, float]:
    """Contributions added up by group of sources, in float64."""
    by_kind = torch.zeros(6, dtype=torch.float64, device=row.device).index_add_(0, d.sources.kind, row.double())
    return {name: float(by_kind[list(kinds)].sum()) for name, kinds in GROUPS.items()}


@torch.no_grad()
def attribute_by_head(d: Decomposition, target: FeatureTarget) -> Float[Tensor, "head source"]:
    """The contributions to an attention-site feature, split by head; they add up to those of `attribute`."""
    index = torch.tensor([target.index], device=d.record.tokens.device)
    position = torch.tensor([target.position], device=d.record.tokens.device)
    reads = attention_reads(d, target.site, index, position)[:, 0]
    heads, pos = reads.shape[:2]
    linear = Readouts(
        d.network.reads(target.site),
        torch.arange(heads, device=reads.device).repeat_interleave(pos),
        torch.arange(pos, device=reads.device).repeat(heads),
        reads.flatten(0, 1),
        {},
        reads.new_zeros(heads),
    )
    return contributions(d, linear)
