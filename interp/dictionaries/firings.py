"""How often features fire while statements about the position hold, at several thresholds at once.

A feature fires at t where its activation exceeds a share t of its maximum (Karvonen et al. 2024, arXiv 2408.00113).
Activations are sparse, so active features are counted one by one, compiled, rather than by dense products: each at
the highest threshold that it passes, and sums over higher thresholds give the rest.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit
from torch import Tensor


class Firings:
    """Running counts over positions."""

    holds: Int[np.ndarray, " statement"]
    """Positions at which each statement holds."""

    def __init__(self, features: int, statements: int, thresholds: Float[np.ndarray, " threshold"]) -> None:
        self.thresholds = thresholds
        self.holds = np.zeros(statements, np.int64)
        self._fires = np.zeros((len(thresholds), features), np.int64)
        self._both = np.zeros((len(thresholds), features, statements), np.int32)

    def add(
        self,
        activations: Float[Tensor, "position feature"],
        maxima: Float[np.ndarray, " feature"],
        holds: Bool[np.ndarray, "position statement"],
    ) -> None:
        """Count some positions."""
        position, statement = holds.nonzero()
        starts = np.searchsorted(position, np.arange(len(holds) + 1))
        self.holds += holds.sum(0)
        _count(activations.numpy(), borders(maxima, self.thresholds), statement, starts, self._fires, self._both)

    @property
    def fires(self) -> Int[np.ndarray, "threshold feature"]:
        """Positions at which each feature fires."""
        return self._fires[::-1].cumsum(0)[::-1]

    @property
    def both(self) -> Int[np.ndarray, "threshold feature statement"]:
        """Positions at which a feature fires and a statement holds."""
        return self._both[::-1].cumsum(0)[::-1]

    def f1(self) -> Float[np.ndarray, "threshold feature statement"]:
        """2 TP / (2 TP + FP + FN), 0 where a feature never fires and the statement never holds."""
        return 2 * self.both / np.maximum(self.fires[..., None] + self.holds, 1)


def borders(
    maxima: Float[np.ndarray, " feature"], thresholds: Float[np.ndarray, " threshold"]
) -> Float[np.ndarray, "threshold feature"]:
    """Activations that must be exceeded; a feature whose maximum is zero never fires."""
    return np.where(maxima > 0, thresholds[:, None] * maxima, np.inf).astype(np.float32)


@njit(cache=True)
def level(value, borders, feature):  # type: ignore[no-untyped-def]
    """Index of the highest threshold passed by an activation, -1 for none."""
    passed = -1
    while passed + 1 < borders.shape[0] and value > borders[passed + 1, feature]:
        passed += 1
    return passed


@njit(cache=True)
def _count(activations, borders, statements, starts, fires, both):  # type: ignore[no-untyped-def]
    for position in range(activations.shape[0]):
        held = statements[starts[position] : starts[position + 1]]
        for feature in range(activations.shape[1]):
            passed = level(activations[position, feature], borders, feature)
            if passed >= 0:
                fires[passed, feature] += 1
                for statement in held:
                    both[passed, feature, statement] += 1
