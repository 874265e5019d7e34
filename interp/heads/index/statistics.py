"""What the paper lacks: is an index more than chance, how sure is it, and how many heads were looked at.

A *cell* is one head with one relation in one direction. Its index is a ratio of sums over triplets, so every statistic
here takes for each triplet and slot (0 the tail, the others its matched random tails) an upper and a lower summand:
macro averages take the triplet's mean over its events, and one; micro averages the sum and the number of events.

- Permutation test: if the relation does not matter, a triplet's tail is any of its slots, all alike. Events of a triplet
  depend on each other, so the triplet is permuted as a whole. A cell is drawn until `EXCEEDANCES` draws have reached its
  index, at most `draws` times: the sequential p-value of Besag and Clifford (1991, Biometrika 78), valid and cheap where
  nothing is to be found.
- Benjamini-Hochberg over the heads of one relation and direction. A single discovery among 270 heads needs p < 0.05 /
  270, hence more than 5,400 draws.
- Bootstrap over documents, since triplets of one text depend on each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numba import njit
from scipy.stats import false_discovery_control

EXCEEDANCES = 20
_EQUAL = 1e-9
"""Draws that differ from the index by less, relatively, count as reaching it: sums in another order are not a difference."""


@dataclass(frozen=True)
class StatisticsOptions:
    """How chance is drawn."""

    draws: int = 10_000
    """Permutations of a cell at most; more than 20 times the number of heads are needed for a single discovery."""
    resamples: int = 1_000
    """Bootstrap samples of documents."""
    level: float = 0.95
    """Of the bootstrap intervals."""
    seed: int = 0


DEFAULT = StatisticsOptions()


class Summands(NamedTuple):
    """All triplets with events, sorted by cell."""

    cell: Int[np.ndarray, " triplet"]
    document: Int[np.ndarray, " triplet"]
    """Numbered from 0, without gaps."""
    upper: Float[np.ndarray, "triplet slot"]
    lower: Float[np.ndarray, "triplet slot"]
    """Zero for a slot without events."""
    events: Int[np.ndarray, " triplet"]
    """Of the tail."""

    @property
    def present(self) -> Bool[np.ndarray, "triplet slot"]:
        """Slots that have events."""
        return self.lower > 0


@dataclass(frozen=True)
class Means:
    """Averages of every cell; zero index and NaN for the rest in those without events."""

    index: Float[np.ndarray, " cell"]
    control: Float[np.ndarray, " cell"]
    """Mean over the matched random tails."""
    excess: Float[np.ndarray, " cell"]
    """Index minus control over the same triplets: those with a random tail to compare with."""
    events: Int[np.ndarray, " cell"]
    triplets: Int[np.ndarray, " cell"]
    """With events of their own tail."""
    compared: Int[np.ndarray, " cell"]
    """Of these, the ones with events of a random tail."""


def means(data: Summands, cells: int) -> Means:
    """Index, and the same average with every triplet's summands replaced by their mean over its random tails."""
    others = data.present[:, 1:].sum(1)
    some, share = others > 0, 1 / np.maximum(others, 1)

    def ratio(summand: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return _sum(data.cell, summand(data.upper), cells) / _sum(data.cell, summand(data.lower), cells)

    control = ratio(lambda side: side[:, 1:].sum(1) * share)
    return Means(
        np.nan_to_num(ratio(lambda side: side[:, 0])),
        control,
        ratio(lambda side: side[:, 0] * some) - control,
        _sum(data.cell, data.events, cells).astype(int),
        np.bincount(data.cell, minlength=cells),
        np.bincount(data.cell[some], minlength=cells),
    )


def _sum(cell: np.ndarray, values: np.ndarray, cells: int) -> np.ndarray:
    return np.bincount(cell, weights=values, minlength=cells)


def permutation_p_values(data: Summands, cells: int, options: StatisticsOptions) -> Float[np.ndarray, " cell"]:
    """One-sided p-value of every cell (is the index larger than with random tails?); NaN without any random tail.

    Triplets without a random tail say nothing about chance and are left out. Cells draw from generators of their own.
    """
    testable = data.present[:, 1:].any(1)
    cell, present = data.cell[testable], data.present[testable]
    order = np.argsort(~present, axis=1, kind="stable")  # slots with events first, the tail among them the first
    upper, lower = (np.take_along_axis(side[testable], order, axis=1) for side in (data.upper, data.lower))
    slots, bounds = present.sum(1), np.searchsorted(cell, np.arange(cells + 1))
    found = np.full(cells, np.nan)
    for index, (first, end) in enumerate(pairwise(bounds)):
        if end > first:
            generator, rows = np.random.default_rng((options.seed, index)), slice(first, end)
            found[index] = _p_value(upper[rows], lower[rows], slots[rows], options.draws, EXCEEDANCES, generator)
    return found


@njit(cache=True)
def _p_value(upper, lower, slots, draws, exceedances, generator):
    own = upper[:, 0].sum() / lower[:, 0].sum() * (1 - _EQUAL)
    reached = 0
    for draw in range(draws):
        above, below = 0.0, 0.0
        for triplet in range(len(slots)):
            slot = int(generator.random() * slots[triplet])
            above += upper[triplet, slot]
            below += lower[triplet, slot]
        reached += above / below >= own
        if reached == exceedances:
            return reached / (draw + 1)
    return (reached + 1) / (draws + 1)


def q_values(p_values: Float[np.ndarray, " cell"]) -> Float[np.ndarray, " cell"]:
    """Benjamini-Hochberg adjusted p-values over the cells that were tested; NaN elsewhere."""
    found, tested = np.full(len(p_values), np.nan), ~np.isnan(p_values)
    if tested.any():
        found[tested] = false_discovery_control(p_values[tested])
    return found


def bootstrap_intervals(
    data: Summands, cells: int, options: StatisticsOptions
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """Lower and upper end of every cell's interval: percentiles of its index over resampled documents; NaN without events.

    All cells see the same samples. Samples in which a cell has no event are left out for that cell.
    """
    documents = int(data.document.max(initial=-1)) + 1
    low, high = np.full((2, cells), np.nan)
    seen = np.unique(data.cell)
    if not len(seen):
        return low, high
    generator = np.random.default_rng((options.seed, cells))
    weights = generator.multinomial(documents, np.full(documents, 1 / documents), size=options.resamples).astype(float)
    place = np.searchsorted(seen, data.cell) * documents + data.document
    upper, lower = (_sum(place, side[:, 0], len(seen) * documents) for side in (data.upper, data.lower))
    with np.errstate(invalid="ignore"):
        drawn = (upper.reshape(len(seen), -1) @ weights.T) / (lower.reshape(len(seen), -1) @ weights.T)
    tail = (1 - options.level) / 2
    low[seen], high[seen] = np.nanquantile(drawn, [tail, 1 - tail], axis=1)
    return low, high
