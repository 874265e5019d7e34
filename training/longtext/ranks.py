"""Where a value of a metric stands in a reference: its percentile rank, or one of three levels between raw thresholds.

How the paper makes metrics comparable is not published; ranks within a language and domain are our choice. Raw thresholds
per metric and domain are what a report on the same pipeline says its authors tuned by hand.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

POINTS = 201
"""Quantiles of a reference that are kept."""

Values = Float[np.ndarray, " text"]


class Quantiles(NamedTuple):
    """A metric's distribution: its values at equally spaced ranks from 0 to 1, rising."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, found: Values, points: int = POINTS) -> Quantiles:
        """Of the values that are finite; there must be one. Only values that occur are kept, so that ties stay ties."""
        levels = np.linspace(0, 1, points)
        return cls(tuple(np.quantile(found[np.isfinite(found)], levels, method="nearest").tolist()))

    def rank(self, found: Values) -> Values:
        """Ranks between 0 and 1, the middle one of a value that many texts have; NaN stays."""
        known, levels = np.array(self.values), np.linspace(0, 1, len(self.values))
        first, last = np.searchsorted(known, found, "left"), np.searchsorted(known, found, "right") - 1
        tied = (first + last) / 2 / max(len(known) - 1, 1)
        between = np.interp(found, known, levels, left=0.0, right=1.0)
        return np.where(np.isnan(found), np.nan, np.where(last > first, tied, between))

    def value_at(self, rank: float) -> float:
        """The value whose rank that is."""
        return float(np.interp(rank, np.linspace(0, 1, len(self.values)), self.values))

    def settings(self) -> dict[str, Any]:
        """For JSON."""
        return {"quantiles": list(self.values)}


class Levels(NamedTuple):
    """Two raw thresholds: below `low` is rank 0, from `high` on rank 1, between them 1/2."""

    low: float
    high: float

    def rank(self, found: Values) -> Values:
        """0, 1/2 or 1; NaN stays."""
        return np.where(np.isnan(found), np.nan, ((found >= self.low) * 0.5 + (found >= self.high) * 0.5))

    def settings(self) -> dict[str, Any]:
        """For JSON."""
        return {"low": self.low, "high": self.high}


Scale = Quantiles | Levels


def scale(settings: dict[str, Any]) -> Scale:
    """The scale whose settings these are. Raises KeyError, TypeError or ValueError for what is none."""
    if "quantiles" in settings:
        values = tuple(float(value) for value in settings["quantiles"])
        if list(values) != sorted(values) or not values or not np.all(np.isfinite(values)):
            raise ValueError("quantiles do not rise")
        return Quantiles(values)
    levels = Levels(float(settings["low"]), float(settings["high"]))
    if not -math.inf < levels.low <= levels.high < math.inf:
        raise ValueError("levels do not rise")
    return levels
