"""Automatic labels: which statement about the board a feature's activation agrees with best.

A feature fires where its activation exceeds a share t of its maximum (Karvonen et al. 2024, arXiv 2408.00113). Over
some games the F1 of every (feature, t, predicate) is counted; the best pair becomes the label, and its F1 is counted
again on other games, so that the choice among hundreds of predicates does not flatter it. The thresholds are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

THRESHOLDS = (0.0, 0.1, 0.3, 0.5, 0.7)
"""Shares of a feature's maximum above which it counts as firing."""


class Labels(NamedTuple):
    """The best predicate of each feature."""

    predicate: Int[Tensor, " feature"]
    """Column of `interp.othello.predicates.NAMES`."""
    threshold: Int[Tensor, " feature"]
    """Index into `THRESHOLDS`."""
    f1: Float[Tensor, " feature"]
    """On the games where the label was found."""


class Confusion:
    """Running counts from which F1 follows for every (threshold, feature, predicate)."""

    def __init__(self, features: int, predicates: int) -> None:
        self.both = torch.zeros(len(THRESHOLDS), features, predicates, dtype=torch.float64)
        self.fires = torch.zeros(len(THRESHOLDS), features, 1, dtype=torch.float64)
        self.holds = torch.zeros(predicates, dtype=torch.float64)

    def add(
        self,
        activations: Float[Tensor, "position feature"],
        maxima: Float[Tensor, " feature"],
        holds: Bool[Tensor, "position predicate"],
    ) -> None:
        """Count one batch of positions."""
        truth = holds.float()
        self.holds += truth.double().sum(0)
        for index, threshold in enumerate(THRESHOLDS):
            fires = (activations > threshold * maxima).float()
            self.both[index] += (fires.T @ truth).double()
            self.fires[index] += fires.double().sum(0)[:, None]

    def f1(self) -> Float[Tensor, "threshold feature predicate"]:
        """2 TP / (2 TP + FP + FN), 0 where a feature never fires and the predicate never holds."""
        return 2 * self.both / (self.fires + self.holds).clamp(min=1.0)

    def labels(self) -> Labels:
        """The best (threshold, predicate) of each feature."""
        scores = self.f1().permute(1, 0, 2)
        best, flat = scores.flatten(1).max(-1)
        return Labels(flat % scores.shape[-1], flat // scores.shape[-1], best)

    def f1_of(self, labels: Labels) -> Float[Tensor, " feature"]:
        """F1 of labels found elsewhere on the positions counted here."""
        features = torch.arange(len(labels.predicate))
        return self.f1()[labels.threshold, features, labels.predicate]
