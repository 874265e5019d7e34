"""The k * rows largest positive pre-activations of a whole batch are on (Bussmann et al. 2024, arXiv 2412.06410).

A batch is one block of the bank (512 positions, whole games but for the edges; our choice). The smallest activation
kept is followed by an exponential average, which becomes the threshold of the finished dictionary: as in SAELens it
is a `jumprelu` dictionary with the same threshold for every feature.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.bank import Bank
from interp.dictionaries.kernels import smallest_kept
from interp.dictionaries.objective import Objective, Rule

MEMORY = 0.99
"""Weight of the past in the average, a block: that of SAELens, for the border keeps falling while features grow."""


class BatchTopK(Objective):
    """Squared error alone."""

    def __init__(self, k: int) -> None:
        self.k = k

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """All that reach the smallest of the k * rows largest."""
        smallest = border(pre, self.k)
        return Rule(torch.nextafter(smallest, torch.zeros_like(smallest))[:, None].expand_as(threshold).contiguous())

    def start(self, bank: Bank, pre: Float[Tensor, "site row feature"]) -> None:
        """Begin the average at the sample's own border."""
        bank.threshold.copy_(self.rule(pre, bank.threshold).threshold)

    def follow(self, bank: Bank, rule: Rule) -> None:
        """Move the average towards this block's border."""
        bank.threshold.lerp_(rule.threshold, 1 - MEMORY)


def border(pre: Float[Tensor, "site row feature"], k: int) -> Float[Tensor, " site"]:
    """Smallest positive value among the k * rows largest of each site; 0 where none is positive."""
    count = k * pre.shape[1]
    if pre.device.type == "cpu":
        return torch.from_numpy(smallest_kept(pre.contiguous().numpy(), count))
    largest = pre.flatten(1).topk(count).values
    return torch.where(largest > 0, largest, torch.inf).amin(-1).nan_to_num(posinf=0.0)
