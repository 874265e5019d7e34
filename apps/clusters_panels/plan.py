"""What a way of sampling is expected to draw, as the tables that the sampling panel shows: from sizes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from apps.clusters_panels.corpus import Corpus
from training.sampling.expected import Expectation, Trajectory, expected, trajectory
from training.sampling.schedule import Schedule
from training.sampling.strategies import Budget, Strategy, Unit

POINTS = 49
"""Points of a curve along the budget."""
_EXACT = 1e-6
_SHOWN = 0.005
"""Least excess, in passes, that two decimals show: limits are whole draws, so a little may be left to draw at random."""


class Check(NamedTuple):
    """Something that must hold of a plan."""

    holds: bool
    text: str


@dataclass(frozen=True)
class Plan:
    """A strategy and a budget on the clusters of a corpus."""

    sizes: np.ndarray
    lengths: np.ndarray
    """Mean tokens of a document of each cluster."""
    strategy: Strategy
    budget: Budget

    @classmethod
    def of(cls, corpus: Corpus, strategy: Strategy, *, passes: float, unit: Unit) -> Plan:
        """A budget of as many draws or tokens as `passes` over all documents take."""
        whole = corpus.sizes.sum() if unit == "draws" else (corpus.sizes * corpus.lengths).sum()
        return cls(corpus.sizes, corpus.lengths, strategy, Budget(max(round(passes * float(whole)), 1), unit))

    @cached_property
    def expected(self) -> Expectation:
        """Draws of every cluster."""
        return expected(self.sizes, self.strategy, self.budget, self._lengths)

    @cached_property
    def along(self) -> Trajectory:
        """The same along the budget."""
        return trajectory(self.sizes, self.strategy, self.budget, self._lengths, points=POINTS)

    @property
    def _lengths(self) -> np.ndarray | None:
        return self.lengths if self.budget.unit == "tokens" else None

    @property
    def costs(self) -> np.ndarray:
        """What a document of each cluster takes of the budget."""
        return self.lengths if self.budget.unit == "tokens" else np.ones(len(self.sizes))

    @property
    def repeats(self) -> np.ndarray:
        """How often a document of each cluster is expected to be seen; 0 for empty clusters."""
        return self.expected.counts / np.maximum(self.sizes, 1)

    def schedule(self, corpus: Corpus, *, seed: int) -> Schedule:
        """The schedule that draws it."""
        lengths = tuple(self.lengths.tolist()) if self.budget.unit == "tokens" else None
        return Schedule(self.strategy, self.budget, tuple(self.sizes.tolist()), seed, str(corpus.run.path), lengths)

    def table(self, corpus: Corpus) -> pd.DataFrame:
        """A row a cluster that has documents: expected draws, repeats, and the draws after which it is knocked out."""
        columns = {"draws": self.expected.counts, "repeats": self.repeats, "knocked_out_after": self.expected.clip_times}
        frame = corpus.table[["cluster", "label", "size"]].assign(**columns)
        return frame[frame["size"] > 0].assign(clipped=frame["cluster"].isin(self.expected.clipped))

    def unique(self) -> pd.DataFrame:
        """Different documents seen along the budget: draws, unique, and with a budget in tokens also tokens.

        Within a pass no document comes twice, so of n documents drawn m times min(m, n) were seen.
        """
        seen = np.minimum(self.along.counts, self.sizes).sum(1)
        return pd.DataFrame({"draws": self.along.draws, "tokens": self.along.counts @ self.lengths, "unique": seen})

    def checks(self) -> list[Check]:
        """The weights of the first draw sum to 1, no cluster is over the clip, and the budget is met."""
        weights = self.strategy.weights(self.sizes)
        total = float((weights / weights.sum()).sum())
        return [Check(abs(total - 1) < _EXACT, f"Weights sum to {total:.6f}"), self._clip_check(), self._budget_check()]

    def _clip_check(self) -> Check:
        most, clip = float(self.repeats.max()), self.strategy.clip
        if math.isinf(clip):
            return Check(True, f"No clip: at most {most:.2f} times")
        again = self._beyond / float(self.sizes @ self.costs) if self._goes_on else 0.0
        told = "exceeded only once all are out" if again and most > clip + _SHOWN else "never exceeded"
        return Check(most <= (clip + again) * (1 + _EXACT), f"Clip {told}: at most {most:.2f} of {clip:g}")

    def _budget_check(self) -> Check:
        used, asked, unit = float((self.expected.counts * self.costs).sum()), float(self.budget.amount), self.budget.unit
        short = self._beyond > 0 and not self._goes_on
        met = f"Budget met: {used:,.0f} {unit}"
        if short:
            met = f"All clusters are knocked out at {used:,.0f} of {asked:,.0f} {unit}"
        elif self._beyond:
            met += f", the last {self._beyond:,.0f} at random"
        return Check(not short and abs(used - asked) <= _EXACT * asked, met)

    @property
    def _goes_on(self) -> bool:
        return self.strategy.on_exhausted == "random"

    @property
    def _beyond(self) -> float:
        """What is left of the budget when all clusters are knocked out."""
        room = float(np.where(self.sizes > 0, self.strategy.limits(self.sizes), 0) @ self.costs)
        beyond = self.budget.amount - room
        return beyond if beyond > _EXACT * self.budget.amount else 0.0


def beside(plan: Plan) -> dict[str, Plan]:
    """The plan with the paper's three others at the same budget, by name; the plan's own name comes last."""
    clip = plan.strategy.clip if math.isfinite(plan.strategy.clip) else None
    named = {
        "random": Strategy.named("random"),
        "uniform": Strategy.named("uniform"),
        "ClusterClip": Strategy.named("clusterclip", clip=clip, on_exhausted=plan.strategy.on_exhausted),
    }
    plans = {name: replace(plan, strategy=strategy) for name, strategy in named.items()}
    return {
        **{name: one for name, one in plans.items() if one.strategy.kind != plan.strategy.kind},
        NAMES[plan.strategy.kind]: plan,
    }


NAMES = {
    "random": "random",
    "uniform": "uniform",
    "clusterclip": "ClusterClip",
    "general_to_specific": "general to specific",
    "specific_to_general": "specific to general",
    "temperature": "temperature",
}
"""What the strategies are called on the screen."""
