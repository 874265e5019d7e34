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

_FIRST_ON = 1 / 8
_SAMPLE = 2000
"""Positions from which `_FIRST_ON` is set."""


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
        """Set each feature's bias so that it is on at `_FIRST_ON` of the positions, and the reconstruction's mean size.

        From random directions alone half of all features would be on, hundreds of steps would only prune them, and
        the first reconstruction would be several times as large as its target.
        """
        sample = pre[:, :_SAMPLE]
        border = sample.kthvalue(round((1 - _FIRST_ON) * sample.shape[1]), dim=1).values
        written = (sample - border[:, None]).relu() @ bank.decoder
        d_in = written.shape[-1]  # the mean squared size of a target of variance one a dimension
        size = (d_in / written.square().sum(-1).mean(-1)).sqrt()
        bank.encoder.mul_(size[:, None, None])
        bank.encoder_bias.copy_(-border * size[:, None])

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """All positive pre-activations."""
        return Rule(torch.zeros_like(threshold), l1=self.weight)
