"""A layer's load in numbers, from the counts of its experts on every rank (`Records.loads`, or `loads_of` a plan).

Demand is what tokens asked for, before capacity; a load-balancing loss that looks low can go with a skewed demand, so it
never stands alone. Definitions are those usual in MoE training (Megatron, NeMo, torchtitan).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from training.moe.plan import RoutingPlan

COUNTS = ("demand", "kept", "dropped", "filled", "rectified", "padding", "slots")
MEASURES = {
    "drop": "Choices up to the k-th that found no slot, over all such choices; before rectification.",
    "padding": "Slots that stay empty after fill-in, over all slots.",
    "rectified": "Rows that stand-ins on the tokens' own ranks add, over the choices up to the k-th.",
    "violation": "Largest demand of an expert over the mean one, less 1: 0 is even.",
    "cv": "Standard deviation of the experts' demand over its mean.",
    "dead": "Experts that no token asked for.",
    "entropy": "Entropy of the experts' shares of the demand, over the logarithm of their number: 1 is even.",
    "balance": "Load-balancing loss of Switch and GShard, on first choices: 1 where even.",
}
"""Columns of `health` with their definitions."""
BANDS = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}


def loads_of(plan: RoutingPlan) -> pd.DataFrame:
    """Counts of a plan, a row a (rank, expert)."""
    ranks, experts = plan.shape
    counts = {name: getattr(plan, name).flatten().cpu().numpy() for name in COUNTS if name != "slots"}
    place = np.arange(ranks * experts)
    return pd.DataFrame({"rank": place // experts, "expert": place % experts, **counts, "slots": plan.slots})


def by_expert(loads: pd.DataFrame, keys: Sequence[str] = ("step", "layer")) -> pd.DataFrame:
    """Counts summed over ranks, a row an expert, and its `utilisation`: demand over the mean demand of the layer."""
    names = [*keys, "expert"]
    found = loads.groupby(names, as_index=False)[list(COUNTS)].sum(min_count=1)
    mean = found.groupby(list(keys))["demand"].transform("mean") if len(keys) else found["demand"].mean()
    return found.assign(utilisation=found["demand"] / mean)


def health(loads: pd.DataFrame, balance: pd.Series | None = None) -> pd.DataFrame:
    """`MEASURES`, a row a (step, layer), which is the index; padding is NaN where slots are unknown."""
    keys = ["step", "layer"]
    experts = by_expert(loads)
    groups = experts.groupby(keys)
    rates = _rates(groups[list(COUNTS)].sum(min_count=1))
    share = experts["demand"] / groups["demand"].transform("sum")
    entropy = (-share * np.log(share.where(share > 0, 1.0))).groupby([experts[key] for key in keys]).sum()
    found = pd.DataFrame(
        {
            **rates,
            "violation": groups["utilisation"].max() - 1,
            "cv": groups["utilisation"].std(ddof=0),
            "dead": groups["demand"].agg(lambda demand: int((demand == 0).sum())),
            "entropy": entropy / np.log(np.maximum(groups.size(), 2)),
        }
    )
    return found.assign(balance=np.nan if balance is None else balance.reindex(found.index))


def over_steps(measures: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """`health` of several steps together, a row a layer: rates of their counts summed, of all else the mean over steps.

    `counts` are `COUNTS` by (step, layer) as well.
    """
    total = counts.groupby("layer")[list(COUNTS)].sum(min_count=1)
    return measures.groupby("layer").mean().assign(**_rates(total))


def _rates(total: pd.DataFrame) -> dict[str, pd.Series]:
    """The measures that are shares of counts."""
    return {
        "drop": total["dropped"] / total["demand"],
        "padding": total["padding"] / total["slots"],
        "rectified": total["rectified"] / total["demand"],
    }


def bands(loads: pd.DataFrame) -> pd.DataFrame:
    """How utilisation spreads over the experts of all layers, a row a step, with the drop and padding rates."""
    experts = by_expert(loads)
    found = experts.groupby("step")["utilisation"].quantile(list(BANDS.values())).unstack()
    total = loads.groupby("step")[list(COUNTS)].sum(min_count=1)
    found.columns = list(BANDS)
    rates = _rates(total)
    return found.assign(drop=rates["drop"], padding=rates["padding"]).reset_index()
