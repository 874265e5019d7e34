"""A trained threshold for each feature (Rajamanoharan et al. 2024, arXiv 2407.14435).

The penalty counts active features, weight * (L0 / k - 1)^2 (the paper's variant with a target), so `k` means here what
it means for TopK: active features a position, on average. The count has no slope; the paper gives the thresholds a
pseudo-gradient from the pre-activations within half a bandwidth of them. Our choices: thresholds trained as they are
rather than by their logarithm, started where the sample has k active features, weight and bandwidth as below.
BatchTopK dictionaries are stored in this form too, with one threshold for all features, as SAELens does.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.dictionaries.bank import Bank
from interp.dictionaries.base import Dictionary
from interp.dictionaries.batchtopk import border
from interp.dictionaries.objective import Objective, Rule

WEIGHT = 100.0
"""Of the squared relative miss of the target, in units of the squared error (128 a position without dictionary)."""
BANDWIDTH = 0.1
"""In units of the activations."""


class JumpReluDictionary(Dictionary):
    """Pre-activations above their feature's threshold pass unchanged."""

    architecture = "jumprelu"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.threshold = nn.Parameter(torch.zeros(config["d_sae"]))

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """z where z exceeds both its threshold and zero."""
        return pre.relu() * (pre > self.threshold)


class JumpRelu(Objective):
    """Squared error + WEIGHT * (L0 / k - 1)^2 with L0 the mean over a block."""

    def __init__(self, k: int) -> None:
        self.k = k

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """All above the trained thresholds, and the slope of the penalty in L0."""
        active = (pre > threshold[:, None]).sum((1, 2)) / pre.shape[1]
        return Rule(threshold, l0=2 * WEIGHT * (active / self.k - 1) / self.k, bandwidth=BANDWIDTH)

    def start(self, bank: Bank, pre: Float[Tensor, "site row feature"]) -> None:
        """The thresholds at which the sample has k active features a position."""
        bank.threshold.copy_(border(pre, self.k)[:, None].expand_as(bank.threshold))
