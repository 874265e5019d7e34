"""The paper's dictionary: ReLU, made sparse by an L1 penalty in training (He et al. 2024; SAELens: `standard`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.base import Dictionary
from interp.dictionaries.objective import Objective, Rule

if TYPE_CHECKING:
    from interp.dictionaries.bank import Bank


class ReluDictionary(Dictionary):
    """All positive pre-activations are on."""

    architecture = "standard"

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """ReLU."""
        return pre.relu()


class L1(Objective):
    """Squared error + `weight` times the summed activations."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def start(self, bank: Bank, pre: Float[Tensor, "site row feature"]) -> None:
        """Scale the encoder so that the first reconstruction is about as large as its target.

        Half of the features are on at first, and F random unit directions in d dimensions then give F / 2d times it.
        """
        bank.encoder.mul_(2 * bank.encoder.shape[2] / bank.encoder.shape[1])

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """All positive pre-activations."""
        return Rule(torch.zeros_like(threshold), l1=self.weight)
