"""How many draws each cluster can expect, and when it is knocked out: closed forms, from the sizes alone.

Active clusters share the draws in proportion to their weights w_k = n_k^alpha, so expected draws are water-filling,

    m_k = min(tau n_k, lambda w_k),   with lambda such that sum_k m_k = min(B, tau N),

and cluster k is knocked out after T_k = sum_j min(tau n_j, (tau n_k / w_k) w_j) draws; tau n_k is rounded down to whole
draws. This is the fluid limit of the sampler: on a handful of documents independent draws deviate from it, draws in turns
do not. Derived by us; the paper's first figure agrees with it. For the curricula alpha is constant within a stair of the
budget, and stairs add up.

If the budget is more than all clusters hold and the strategy goes on at random, what is left is spread as documents lie,

    m_k = tau n_k + (B - tau N) n_k / N.

With a budget in tokens sum_k m_k l_k takes the place of sum_k m_k, l_k being the mean tokens of a document of cluster k.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from interp.runs.errors import UserError
from training.sampling.strategies import Budget, Strategy

_CLOSE = 1e-9
"""Relative distance from tau n_k below which a cluster counts as knocked out."""

Sizes = Int[np.ndarray, " cluster"]
PerCluster = Float[np.ndarray, " cluster"]


class Expectation(NamedTuple):
    """What a strategy is expected to draw."""

    counts: PerCluster
    """m_k, draws from each cluster."""
    clip_times: PerCluster
    """T_k, draws after which it is knocked out; infinite for never. Of the curricula, within the budget only."""
    clipped: list[int]
    """Clusters that are knocked out: m_k is tau n_k, or more where draws go on at random."""
    level: float
    """lambda, for weights n_k^alpha, or u_k n_k of a mixture; NaN where alpha moves, infinite where the budget is more than
    all clusters hold before they are knocked out."""

    @property
    def draws(self) -> float:
        """Draws in total."""
        return float(self.counts.sum())


class Trajectory(NamedTuple):
    """The same along the budget, at equally spaced points from its start to its end."""

    draws: Float[np.ndarray, " point"]
    counts: Float[np.ndarray, "point cluster"]
    active: Int[np.ndarray, " point"]
    """Clusters that can still be drawn; all that have documents where draws go on at random."""
    entropy: Float[np.ndarray, " point"]
    """Of the next draw's cluster, in nats; log of `active` under ClusterClip."""


def expected(sizes: Sizes, strategy: Strategy, budget: Budget, lengths: PerCluster | None = None) -> Expectation:
    """Expected draws of clusters of these sizes. `lengths` are mean tokens a document, for a budget in tokens.

    Raises UserError for sizes that are negative or all zero, and for a budget in tokens without lengths above 0.
    """
    costs = _costs(sizes, budget, lengths)
    limits, times = strategy.limits(sizes), np.full(len(sizes), np.inf)
    counts, last = np.zeros(len(sizes)), np.inf
    for stair in _stairs(sizes, strategy, budget.amount, costs, strategy.stairs):
        filled_at = counts.sum() + fill_times(limits - counts, stair.weights)
        now_full = _full(stair.counts, limits) & ~_full(counts, limits)
        reached = np.isfinite(filled_at) if strategy.stairs == 1 else now_full
        times[reached] = filled_at[reached]
        counts, last = stair.counts, stair.level
    largest = np.exp(strategy.log_weights(sizes).max())  # weights are given over their largest
    level = last / largest if strategy.stairs == 1 else np.nan
    return Expectation(counts, times, np.flatnonzero(_full(counts, limits)).tolist(), float(level))


def trajectory(
    sizes: Sizes, strategy: Strategy, budget: Budget, lengths: PerCluster | None = None, *, points: int = 257
) -> Trajectory:
    """Expected draws and the spread of the next one along the budget. Raises UserError as `expected` does.

    For the curricula there is a point a stair, whatever `points` says.
    """
    costs = _costs(sizes, budget, lengths)
    parts = strategy.stairs if strategy.stairs > 1 else points - 1
    counts, nexts = [np.zeros(len(sizes))], []
    for stair in _stairs(sizes, strategy, budget.amount, costs, parts):
        nexts.append(_next_weights(sizes, strategy, stair.weights, counts[-1]))
        counts.append(stair.counts)
    nexts.append(_next_weights(sizes, strategy, strategy.weights(sizes, strategy.stairs - 1), counts[-1]))
    along = np.stack(counts)
    return Trajectory(along.sum(1), along, np.array([*map(len, nexts)]), np.array([*map(_entropy, nexts)]))


def water_level(room: PerCluster, weights: PerCluster, amount: float, costs: PerCluster | None = None) -> float:
    """lambda with sum_k min(room_k, lambda w_k) c_k = amount; infinite if all room together holds no more than that."""
    costs = np.ones(len(room)) if costs is None else costs
    order = _by_filling(room, weights)
    held, slope, full = room[order] * costs[order], weights[order] * costs[order], room[order] / weights[order]
    before = np.concatenate([[0.0], np.cumsum(held)[:-1]])
    levels = (amount - before) / np.cumsum(slope[::-1])[::-1]
    found = np.flatnonzero(levels <= full)
    return float(levels[found[0]]) if len(found) else float("inf")


def fill_times(room: PerCluster, weights: PerCluster) -> PerCluster:
    """Draws after which each cluster's room is used up; infinite where it is endless or there is none to begin with."""
    times, order = np.full(len(room), np.inf), _by_filling(room, weights)
    order = order[np.isfinite(room[order])]
    after = weights.sum() - weights[room <= 0].sum() - np.cumsum(weights[order])
    times[order] = np.cumsum(room[order]) + room[order] / weights[order] * np.maximum(after, 0)
    return times


class _Stair(NamedTuple):
    """Counts after a part of the budget in which alpha was constant."""

    counts: PerCluster
    weights: PerCluster
    level: float


def _stairs(sizes: Sizes, strategy: Strategy, amount: float, costs: PerCluster, parts: int) -> Iterator[_Stair]:
    limits, counts, beyond = strategy.limits(sizes), np.zeros(len(sizes)), 0.0
    for part in range(parts):
        weights = strategy.weights(sizes, part if strategy.stairs > 1 else 0)
        room = limits - counts
        level = water_level(room, weights, amount / parts, costs)
        counts = counts + (room if level == np.inf else np.minimum(room, level * weights))
        if level == np.inf and strategy.on_exhausted == "random":
            beyond += (amount / parts - room @ costs) / (sizes @ costs)  # passes over all documents
        yield _Stair(counts + beyond * sizes, weights, level)


def _by_filling(room: PerCluster, weights: PerCluster) -> Int[np.ndarray, " open"]:
    """Clusters that have room, those first that fill first."""
    opened = np.flatnonzero((room > 0) & (weights > 0))
    return opened[np.argsort(room[opened] / weights[opened], kind="stable")]


def _full(counts: PerCluster, limits: PerCluster) -> np.ndarray:
    """Clusters that are knocked out; empty ones never are, as they were never in."""
    return (limits > 0) & np.isfinite(limits) & (counts >= limits * (1 - _CLOSE))


def _next_weights(sizes: Sizes, strategy: Strategy, weights: PerCluster, counts: PerCluster) -> PerCluster:
    """Weights of the clusters that can be drawn after `counts`; none are left where the stream has stopped."""
    limits = strategy.limits(sizes)
    active = (limits > 0) & ~_full(counts, limits)
    if strategy.on_exhausted == "random" and not active.any():
        return sizes[sizes > 0].astype(float)
    return weights[active]


def _entropy(weights: PerCluster) -> float:
    shares = weights / max(weights.sum(), np.finfo(float).tiny)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum()) + 0.0


def _costs(sizes: Sizes, budget: Budget, lengths: PerCluster | None) -> PerCluster:
    if np.min(sizes, initial=0) < 0 or np.sum(sizes) == 0:
        raise UserError(f"sizes {np.asarray(sizes).tolist()[:8]} are refused; accepted are counts, at least one above 0")
    if budget.unit == "draws":
        return np.ones(len(sizes))
    if lengths is None:
        raise UserError("a budget in tokens needs the mean tokens of a document of every cluster; none were given")
    costs = np.where(sizes > 0, lengths, 1.0) if np.shape(lengths) == np.shape(sizes) else np.zeros(1)
    if not np.all(np.isfinite(costs) & (costs > 0)):
        told = f"mean tokens {np.asarray(lengths).tolist()[:8]} are refused"
        raise UserError(f"{told}; accepted is one number above 0 for each of {len(sizes)} clusters")
    return costs
