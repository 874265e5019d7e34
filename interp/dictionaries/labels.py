"""Automatic labels: which statement about the board a feature's activation agrees with best.

Over some games the F1 of every (feature, threshold, predicate) is counted (`interp.dictionaries.firings`); the best
pair becomes the label, and its F1 is counted again on other games, so that the choice among hundreds of predicates
does not flatter it. The thresholds are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from interp.dictionaries.firings import Firings

THRESHOLDS = np.array([0.0, 0.1, 0.3, 0.5, 0.7])
"""Shares of a feature's maximum above which it counts as firing."""


class Labels(NamedTuple):
    """The best predicate of each feature."""

    predicate: Int[np.ndarray, " feature"]
    """Column of `interp.othello.predicates.NAMES`."""
    threshold: Int[np.ndarray, " feature"]
    """Index into `THRESHOLDS`."""
    f1: Float[np.ndarray, " feature"]
    """On the games where the label was found."""


def best_labels(counts: Firings) -> Labels:
    """The best (threshold, predicate) of each feature."""
    f1 = counts.f1().swapaxes(0, 1)
    threshold, predicate = np.unravel_index(f1.reshape(len(f1), -1).argmax(-1), f1.shape[1:])
    return Labels(predicate, threshold, f1[np.arange(len(f1)), threshold, predicate])


def f1_of(labels: Labels, counts: Firings) -> Float[np.ndarray, " feature"]:
    """F1 of labels on the positions counted in `counts`."""
    return counts.f1()[labels.threshold, np.arange(len(labels.predicate)), labels.predicate]
