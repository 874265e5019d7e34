"""The paper's dictionary: ReLU, made sparse by an L1 penalty in training (He et al. 2024; SAELens: `standard`)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.base import Dictionary
from interp.dictionaries.objective import Objective, Rule


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

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """All positive pre-activations."""
        return Rule(torch.zeros_like(threshold), l1=self.weight)
