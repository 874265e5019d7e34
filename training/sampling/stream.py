"""What a strategy draws, block by block: each block a function of the seed, the settings and the position it begins at.

A stream has one phase or, where the strategy goes on at random when all clusters are knocked out, two. Each phase has
pools, queues and random numbers of its own, and the second is what `random` draws of the rest of the budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
from jaxtyping import Int

from training.sampling.kernels import draw_in_turns, draw_independently, hashed, restore
from training.sampling.strategies import Budget, Strategy

BLOCK = 65_536
"""Draws made at a time."""
ENDLESS = 2**62
"""More draws than there ever are; a float holds it exactly."""

Documents = Int[np.ndarray, " draw"]


@dataclass
class Position:
    """Where a stream stands."""

    draws: int
    spent: int
    """Of the budget, in its unit."""
    phase: int
    """1 once all clusters are knocked out and draws go on at random, else 0."""
    counts: Int[np.ndarray, " pool"]
    """Draws of each of the phase's pools."""
    wait: np.ndarray
    """For draws in turns: draws that each pool has to earn until its next one begins to be."""


class Pools:
    """The documents that a strategy draws, in its clusters or all in one pool, each with a queue."""

    def __init__(
        self, clusters: Int[np.ndarray, " document"], strategy: Strategy, budget: Budget, lengths: Documents, key: np.uint64
    ) -> None:
        self._strategy, self._budget, self._lengths, self._key = strategy, budget, lengths, key
        pools = np.where(clusters < 0, -1, 0) if strategy.pooled else clusters
        order = np.argsort(pools, kind="stable")
        self.members = order[np.searchsorted(pools[order], 0) :]
        self.sizes = np.bincount(pools[self.members], minlength=max(len(strategy.factors), 1))
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        self.caps = np.minimum(strategy.limits(self.sizes), ENDLESS).astype(np.int64)
        self._queue = np.empty_like(self.members)

    def restore(self, at: Position) -> None:
        """Bring the queues to where they stand there."""
        restore(self._queue, self.members, self._starts, at.counts, self._key)

    def fill(self, out: Documents, at: Position) -> int:
        """Draw into `out` as long as alpha stays what it is and move `at` on; how many, none if no pool is active."""
        stairs, amount = self._strategy.stairs, self._budget.amount
        stair = at.spent * stairs // amount
        room = -(-amount * (stair + 1) // stairs) - at.spent
        weights = self._strategy.weights(self.sizes, stair)
        held = (self.caps, self._queue, self.members, self._starts, self._lengths, self._key)
        if self._strategy.order == "round_robin":
            made, spent = draw_in_turns(out, room, weights, at.counts, *held, at.wait)
        else:
            made, spent = draw_independently(out, room, weights, at.counts, *held, at.draws)
        at.draws, at.spent = at.draws + made, at.spent + spent
        return int(made)


class Stream:
    """Draws by blocks."""

    def __init__(
        self,
        clusters: Int[np.ndarray, " document"],
        strategy: Strategy,
        budget: Budget,
        lengths: Documents | None,
        seed: int,
    ) -> None:
        self.strategy, self.budget = strategy, budget
        in_draws = lengths is None or budget.unit == "draws"
        self._lengths = np.ones(len(clusters), np.int64) if in_draws else np.asarray(lengths, np.int64)
        keys = [np.uint64(hashed(np.uint64(seed), np.uint64(phase))) for phase in range(len(strategy.phases))]
        self._phases = [
            Pools(clusters, rule, budget, self._lengths, key) for rule, key in zip(strategy.phases, keys, strict=True)
        ]
        self.sizes, self._at = self._phases[0].sizes, -1

    @cached_property
    def digest(self) -> str:
        """Of each pool's documents and of their lengths."""
        return blake2b(self._phases[0].members.tobytes() + self._lengths.tobytes(), digest_size=16).hexdigest()

    def start(self, phase: int = 0, *, draws: int = 0, spent: int = 0) -> Position:
        """Before the first draw of a phase."""
        pools = len(self._phases[phase].sizes)
        return Position(draws, spent, phase, np.zeros(pools, np.int64), np.zeros(pools))

    def draw(self, position: Position) -> tuple[Documents, Position]:
        """The next documents, at most `BLOCK`, and the position after them. None are left when there are none."""
        if self._at != position.draws:
            self._phases[position.phase].restore(position)
        at = Position(position.draws, position.spent, position.phase, position.counts.copy(), position.wait.copy())
        out, made = np.empty(BLOCK, np.int64), 0
        while made < BLOCK and at.spent < self.budget.amount:
            drawn = self._phases[at.phase].fill(out[made:], at)
            made += drawn
            if drawn:
                continue
            if at.phase + 1 == len(self._phases):
                break
            at = self.start(at.phase + 1, draws=at.draws, spent=at.spent)
        self._at = at.draws
        return out[:made], at

    def total(self) -> int:
        """Draws of the whole stream."""
        if self.budget.unit == "draws":
            return min(self.budget.amount, sum(int(cap) for pools in self._phases for cap in pools.caps))
        drawn, position = self.draw(self.start())
        while len(drawn):
            drawn, position = self.draw(position)
        return position.draws
