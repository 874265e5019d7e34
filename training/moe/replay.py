"""What would have happened: stored router logits through `route` again, under another capacity, k, fill or rectification.

Only the plan is computed, not the model: with other rules, outputs and so the logits of later layers would have been others,
and a router trained under other rules too. Under the recorded rules the recorded rows come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int

from training.moe.baselines import ROUTERS
from training.moe.health import COUNTS, loads_of
from training.moe.plan import RoutingPlan
from training.moe.record_files import Recorded, Records
from training.moe.records import Routed, route_rows, rules_of
from training.moe.rules import Rules

STATES = ("all routes", "some routes", "stand-in only", "no expert")
"""How a token fares: with k routes or more, fill-ins counted; with fewer; with a stand-in and no route; with neither."""


class Replay(NamedTuple):
    """A layer's pass under some rules."""

    recorded: Recorded
    routed: Routed

    @property
    def plan(self) -> RoutingPlan:
        """The plan that follows."""
        return self.routed.plan

    def rows(self, step: int, layer: int) -> pd.DataFrame:
        """The rows of `ROUTES` that follow, for the step and layer that were recorded."""
        return route_rows(step, layer, self.recorded.tokens, self.routed).to_pandas()


def replay(records: Records, step: int, layer: int, rules: Rules | None = None) -> Replay:
    """Route a recorded pass again, under its own rules or other ones.

    Raises UserError where no logits are stored, and as `route` does.
    """
    return again(records.recorded(step, layer), rules)


def again(recorded: Recorded, rules: Rules | None = None) -> Replay:
    """`replay` of what was read already."""
    row, said = recorded.settings, recorded.request
    plan = ROUTERS[row["router"]](said, rules or rules_of(row))
    return Replay(recorded, Routed(plan, recorded.logits, row["scoring"], said.choose_by, row["router"], mass=said.mass))


def replayed_rows(records: Records, step: int, layer: int, rules: Rules | None = None) -> pd.DataFrame:
    """The rows of `ROUTES` that a replay gives."""
    return replay(records, step, layer, rules).rows(step, layer)


def states(plan: RoutingPlan) -> Int[np.ndarray, " token"]:
    """Number in `STATES` of every token, numbered through."""
    routes = plan.routes_of_tokens().flatten()
    stands = torch.zeros_like(routes)
    stands[plan.stand_ins.token] = 1
    lacking = torch.where(routes > 0, 1, 3 - stands)
    return torch.where(routes >= plan.rules.k, 0, lacking).cpu().numpy()


def moves(before: Replay, after: Replay) -> pd.DataFrame:
    """Tokens by how they fare before (rows) and after (columns)."""
    real = before.plan.real.numpy()
    table = np.zeros((len(STATES), len(STATES)), dtype=np.int64)
    np.add.at(table, (states(before.plan)[real], states(after.plan)[real]), 1)
    return pd.DataFrame(table, index=pd.Index(STATES, name="before"), columns=pd.Index(STATES, name="after"))


def rows_between_ranks(plan: RoutingPlan) -> dict[str, int]:
    """Rows that go to an expert of another rank: `sent`, buffers of C rows whole, and `useful`, those that hold a token."""
    ranks, experts = plan.shape
    own = plan.rank(plan.routes.token) == plan.routes.expert // (experts // ranks)
    return {"sent": plan.slots * experts * (ranks - 1), "useful": int((~own).sum())}


def between_ranks(found: Replay) -> dict[str, int]:
    """These rows, and, where a row's bytes are known, `sent_bytes` and `useful_bytes`, to the experts and back."""
    each, rows = found.recorded.settings["row_bytes"], rows_between_ranks(found.plan)
    return rows if pd.isna(each) else rows | {f"{name}_bytes": 2 * count * int(each) for name, count in rows.items()}


def compare(records: Records, passes: Iterable[tuple[int, int]], variants: Mapping[str, Rules | None]) -> pd.DataFrame:
    """A row a variant, over the passes: `totals_of` them and rates; None is the recorded rules."""
    rows = []
    wanted = list(passes)
    for name, rules in variants.items():
        found = [totals(replay(records, step, layer, rules)) for step, layer in wanted]
        rows.append({"variant": name, **totals_of(found)})
    table = pd.DataFrame(rows)
    return table.assign(drop=table["dropped"] / table["demand"], padding_rate=table["padding"] / table["slots"])


def totals_of(passes: Iterable[dict[str, int]]) -> dict[str, int]:
    """`totals` of passes together; bytes only where all of them tell."""
    return pd.DataFrame(passes).dropna(axis=1).sum().astype(int).to_dict()


def totals(found: Replay) -> dict[str, int]:
    """Counts over all ranks and experts, how tokens fare, rows and, where they are known, bytes between ranks."""
    loads, fare = loads_of(found.plan), np.bincount(states(found.plan)[found.plan.real.numpy()], minlength=len(STATES))
    counts = {name: int(loads[name].sum()) for name in COUNTS}
    return {**counts, **dict(zip(STATES, fare.tolist(), strict=True)), **between_ranks(found)}
