"""What a kind of dictionary minimises, and how it chooses the features that are on.

Every kind minimises the mean squared error plus a penalty. Kinds differ in the `Rule` that they set for a block of
positions: the k largest of each row, or all above a threshold. The rule is all that the compiled step needs, so one
kernel serves every kind. Units are the bank's: outputs of variance one a dimension, unit decoder rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from interp.dictionaries.bank import Bank


@dataclass(frozen=True)
class Rule:
    """Selection and penalty for one block of positions."""

    threshold: Float[Tensor, "site feature"]
    """Features above it are on (k = 0), never those below zero."""
    k: int = 0
    """With k > 0 the k largest positive pre-activations of each row are on instead."""
    l1: float = 0.0
    """Weight of the summed activations."""
    l0: Float[Tensor, " site"] | None = None
    """Weight of the number of active features; it reaches the thresholds only."""
    bandwidth: float = 0.0
    """Width of the rectangle around a threshold inside which the threshold feels the loss; 0 if it is not trained."""

    def activate(self, pre: Float[Tensor, "site row feature"]) -> Float[Tensor, "site row feature"]:
        """Activations of pre-activations."""
        if self.k:
            return select(pre, self.k)
        return pre.relu() * (pre > self.threshold[:, None])


class Objective(ABC):
    """What one kind minimises."""

    @abstractmethod
    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """The rule for a block of pre-activations, given the bank's thresholds."""

    def start(self, bank: Bank, pre: Float[Tensor, "site row feature"]) -> None:  # noqa: B027 - most kinds need nothing
        """Set the bank's thresholds from a sample before the first step."""

    def follow(self, bank: Bank, rule: Rule) -> None:  # noqa: B027
        """Take note of the rule of a training block."""


def select(pre: Float[Tensor, "*rows feature"], k: int) -> Float[Tensor, "*rows feature"]:
    """Activations with the positive ones among the k largest pre-activations of each row on."""
    values, indices = pre.topk(k, dim=-1)
    return torch.zeros_like(pre).scatter_(-1, indices, values.relu())
