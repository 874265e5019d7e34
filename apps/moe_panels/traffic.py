"""Routing records as the page needs them: counted once, replayed once for every session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from interp.runs.errors import UserError
from training.moe.health import bands, by_expert, health
from training.moe.record_files import KINDS, Records
from training.moe.records import rules_of
from training.moe.replay import Replay, again, totals
from training.moe.rules import Rules
from training.moe.ship import DEMO

MOST_ROWS = 4_000_000
"""Rows of one step's routes that are read into memory."""
_REPLAYS, _PASSES, _TOTALS, _STEPS = 64, 64, 4096, 4


@dataclass(frozen=True)
class Traffic:
    """Records, opened and checked."""

    records: Records
    _cached: dict[str, Callable[..., Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Traffic:
        """Raises UserError as `Records` does, for wrong values too."""
        traffic = cls(Records.open(path))
        _ = traffic.health
        return traffic

    @property
    def name(self) -> str:
        """What the badge says."""
        return "demo data" if self.records.path == DEMO else self.records.path.name

    @cached_property
    def health(self) -> pd.DataFrame:
        """Measures of every (step, layer)."""
        passes = self.records.passes
        return health(self.records.loads, passes.get("balance"))

    @cached_property
    def experts(self) -> pd.DataFrame:
        """Counts and utilisation of every (step, layer, expert)."""
        return by_expert(self.records.loads)

    @cached_property
    def bands(self) -> pd.DataFrame:
        """Spread of load by step, and the balancing loss, mean over layers."""
        balance = self.health["balance"].groupby("step").mean()
        return bands(self.records.loads).assign(balance=lambda frame: frame["step"].map(balance))

    def rules(self, step: int, layer: int) -> Rules | None:
        """The rules of a pass, if they were recorded."""
        return rules_of(self.records.passes.loc[(step, layer)].to_dict()) if "k" in self.records.passes else None

    def sizes(self, step: int, layer: int) -> tuple[int, int]:
        """Ranks and experts of a pass."""
        row = self.records.passes.loc[(step, layer)]
        return int(row["ranks"]), int(row["experts"])

    def routes(self, step: int) -> pd.DataFrame:
        """Rows of a step, of all its layers. Raises UserError for more than fit a page."""
        return self._once("routes", _STEPS, self._routes)(step)

    def _routes(self, step: int) -> pd.DataFrame:
        rows = int(self.records.loads.query("step == @step")[list(KINDS)].to_numpy().sum())
        if rows > MOST_ROWS:
            told = f"step {step} of {self.records.path} has {rows:,} rows of routes"
            raise UserError(f"{told}; accepted for tokens are up to {MOST_ROWS:,}, loads are shown of any number")
        return self.records.routes(step)

    def replay(self, step: int, layer: int, rules: Rules | None) -> Replay:
        """A pass under these rules, None for the recorded ones. Raises UserError as `training.moe.replay.replay` does."""
        return self._once("replay", _REPLAYS, self._replay)(step, layer, rules)

    def _replay(self, step: int, layer: int, rules: Rules | None) -> Replay:
        return again(self._once("recorded", _PASSES, self.records.recorded)(step, layer), rules)

    def replayed_rows(self, step: int, layer: int, rules: Rules | None) -> pd.DataFrame:
        """Routes of a replay."""
        return self.replay(step, layer, rules).rows(step, layer)

    def totals(self, step: int, layer: int, rules: Rules | None) -> dict[str, int]:
        """`training.moe.replay.totals` of a replay of one layer."""
        return self._once("totals", _TOTALS, lambda *of: totals(self.replay(*of)))(step, layer, rules)

    def _once(self, name: str, most: int, make: Callable[..., Any]) -> Callable[..., Any]:
        """`make`, remembering its latest results."""
        if name not in self._cached:
            self._cached[name] = lru_cache(maxsize=most)(make)
        return self._cached[name]

    def replayable(self, step: int) -> bool:
        """Whether the step's logits are there."""
        return self.records.replayable and step in self.records.routed_steps
