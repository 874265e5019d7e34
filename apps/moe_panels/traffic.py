"""Routing records as the page needs them: counted once, replayed once for every session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from interp.runs.errors import UserError
from training.moe.health import COUNTS, bands, by_expert, health, over_steps
from training.moe.identities import Identity, identities, replayed_identities
from training.moe.pass_checks import check_passes
from training.moe.record_files import KINDS, Recorded, Records
from training.moe.records import rules_of
from training.moe.replay import Replay, again, totals
from training.moe.rules import Rules
from training.moe.ship import DEMO
from training.moe.specialisation import domains_read

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
        """Raises UserError as `Records` and `check_passes` do, for wrong values too."""
        traffic = cls(Records.open(path))
        check_passes(traffic.records.passes, path)
        _ = traffic.health, traffic.records.domains
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
    def counts(self) -> pd.DataFrame:
        """Counts of every (step, layer), over ranks and experts; NaN where slots are unknown."""
        return self.experts.groupby(["step", "layer"])[list(COUNTS)].sum(min_count=1)

    @cached_property
    def bands(self) -> pd.DataFrame:
        """Spread of load by step, and the balancing loss, mean over layers."""
        balance = self.health["balance"].groupby("step").mean()
        return bands(self.records.loads).assign(balance=lambda frame: frame["step"].map(balance))

    def over(self, steps: tuple[int, int]) -> tuple[pd.Series, pd.DataFrame]:
        """Of the steps from the one to the other together: counts of all layers, and the measures of each."""
        return self._once("over", _REPLAYS, self._over)(steps)

    def _over(self, steps: tuple[int, int]) -> tuple[pd.Series, pd.DataFrame]:
        counts, measures = self.counts.loc[slice(*steps)], self.health.loc[slice(*steps)]
        return counts.sum(min_count=1), over_steps(measures, counts)

    def domains(self, steps: tuple[int, int], layer: int) -> pd.DataFrame:
        """`domains_read` of a layer in the steps from the one to the other, as recorded; empty where none is known."""
        return self._once("domains", _REPLAYS, self._domains)(steps, layer)

    def _domains(self, steps: tuple[int, int], layer: int) -> pd.DataFrame:
        known = self.records.domains
        return domains_read(self.records.reads(*steps, layer), known) if len(known) else pd.DataFrame()

    def rules(self, step: int, layer: int) -> Rules | None:
        """The rules of a pass, if they were recorded."""
        return rules_of(self.records.passes.loc[(step, layer)].to_dict()) if "k" in self.records.passes else None

    def sizes(self, step: int, layer: int) -> tuple[int, int]:
        """Ranks and experts of a pass."""
        row = self.records.passes.loc[(step, layer)]
        return int(row["ranks"]), int(row["experts"])

    def router(self, step: int, layer: int) -> str:
        """Its name in `training.moe.baselines.ROUTERS`, if it was recorded; else that of the usual one."""
        return str(self.records.passes.loc[(step, layer)].get("router", "top-k"))

    def routes(self, step: int) -> pd.DataFrame:
        """Rows of a step, of all its layers. Raises UserError for more than fit a page."""
        return self._once("routes", _STEPS, self._routes)(step)

    def _routes(self, step: int) -> pd.DataFrame:
        if (rows := self._rows(step)) > MOST_ROWS:
            told = f"step {step} of {self.records.path} has {rows:,} rows of routes"
            raise UserError(f"{told}; accepted for tokens are up to {MOST_ROWS:,}, loads are shown of any number")
        return self.records.routes(step)

    def _rows(self, step: int) -> int:
        return int(self.records.loads.query("step == @step")[list(KINDS)].to_numpy().sum())

    def replay(self, step: int, layer: int, rules: Rules | None) -> Replay:
        """A pass under these rules, None for the recorded ones. Raises UserError as `training.moe.replay.replay` does."""
        return self._once("replay", _REPLAYS, self._replay)(step, layer, rules)

    def _replay(self, step: int, layer: int, rules: Rules | None) -> Replay:
        return again(self._recorded(step, layer), rules)

    def _recorded(self, step: int, layer: int) -> Recorded:
        return self._once("recorded", _PASSES, self.records.recorded)(step, layer)

    def replayed_rows(self, step: int, layer: int, rules: Rules | None) -> pd.DataFrame:
        """Routes of a replay."""
        return self.replay(step, layer, rules).rows(step, layer)

    def totals(self, step: int, layer: int, rules: Rules | None) -> dict[str, int]:
        """`training.moe.replay.totals` of a replay of one layer."""
        return self._once("totals", _TOTALS, lambda *of: totals(self.replay(*of)))(step, layer, rules)

    def recorded_sums(self, step: int, layer: int | None = None) -> list[Identity]:
        """`training.moe.identities` of a step, or of a layer of it; none where no rows were kept, or more than are read."""
        return self._once("recorded sums", _REPLAYS, self._recorded_sums)(step, layer)

    def _recorded_sums(self, step: int, layer: int | None) -> list[Identity]:
        if step not in self.records.routed_steps or self._rows(step) > MOST_ROWS:
            return []
        passes, routes = self.records.passes.loc[step], self.routes(step)
        if layer is not None:
            passes, routes = passes.loc[[layer]], routes[routes["layer"] == layer]
        return identities(passes, routes, self._once("read", _STEPS, self.records.tokens_read)(step))

    def replayed_sums(self, step: int, layer: int, rules: Rules | None) -> list[Identity]:
        """The same of a replay of one layer."""
        make = lambda *of: replayed_identities(self.replay(*of), *of[:2])  # noqa: E731
        return self._once("replayed sums", _REPLAYS, make)(step, layer, rules)

    def _once(self, name: str, most: int, make: Callable[..., Any]) -> Callable[..., Any]:
        """`make`, remembering its latest results."""
        if name not in self._cached:
            self._cached[name] = lru_cache(maxsize=most)(make)
        return self._cached[name]

    def why_not(self, step: int, layer: int) -> str:
        """Why a pass cannot be routed again, in a sentence; '' where it can."""
        return self._once("why not", _TOTALS, self._why_not)(step, layer)

    def _why_not(self, step: int, layer: int) -> str:
        if not self.records.replayable:
            return "Routing again is off: these records have no router logits. `interp moe record` stores them."
        if step not in self.records.routed_steps:
            steps = ", ".join(map(str, self.records.routed_steps))
            return f"Routing again is off at this step: only its counts were kept. Steps with logits: {steps}."
        try:
            self._recorded(step, layer)
        except UserError as error:
            return f"Routing again is off in this layer: {error}."
        return ""
