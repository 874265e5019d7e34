"""Which head recalls a triplet best, and which heads recall in both directions (arXiv 2402.13055, Fig. 10, appendix B).

For each triplet the winner is the head with the largest mean share E_j[a], if that is above 0. Shares of exactly 1 are
not rare, since a tail can be all that a head raises: heads that tie split the win equally. A head with few events wins
more easily than one with many, so counts of wins are to be read beside the index and its control.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from interp.heads.index.recall import Direction
from interp.heads.index.result import DIRECTIONS, Measurement
from interp.runs.errors import UserError

_TRIPLET = ["document", "triplet"]
_HEAD = ["layer", "head"]
_COMPARED = ["index", "control", "excess", "q_value", "events", "triplets"]


def winning_heads(measurement: Measurement, *, tau: float | None = 2.2) -> pd.DataFrame:
    """Wins of every head, one row for each relation, direction, layer and head.

    Returns:
        Columns relation, direction, layer, head, wins (a fraction where heads tie), triplets (of the relation and
        direction that have a winner), share (wins over triplets, NaN without any).

    Raises:
        UserError: for a tau that was not measured.
    """
    threshold = 0.0 if tau is None else tau
    if threshold not in measurement.taus:
        known = ", ".join(f"{one:g}" for one in measurement.taus)
        raise UserError(f"tau {threshold:g} was not measured; this measurement has {known} (0 is the arg max alone)")
    cells = [(relation, direction) for relation in measurement.relations for direction in DIRECTIONS]
    return pd.concat([_wins(measurement, threshold, *cell) for cell in cells], ignore_index=True)


def _wins(measurement: Measurement, threshold: float, relation: str, direction: Direction) -> pd.DataFrame:
    field = pc.field
    chosen = (field("tau") >= threshold) & (field("relation") == relation) & (field("direction") == direction)
    rows = measurement.rows.to_table([*_TRIPLET, *_HEAD, "sum", "events"], filter=chosen & (field("events") > 0))
    sums = rows.unify_dictionaries().group_by([*_TRIPLET, *_HEAD]).aggregate([("sum", "sum"), ("events", "sum")])
    frame = sums.to_pandas().assign(mean=lambda table: table.sum_sum / table.events_sum)
    triplets = frame[frame["mean"] > 0].groupby(_TRIPLET, observed=True)["mean"]
    best = frame[frame["mean"] == triplets.transform("max").reindex(frame.index)]
    win = 1 / best.groupby(_TRIPLET, observed=True)["mean"].transform("size")
    grid = pd.MultiIndex.from_product([range(measurement.layers), range(measurement.heads)], names=_HEAD)
    wins = win.groupby([best[name] for name in _HEAD]).sum().reindex(grid, fill_value=0.0)
    table = wins.rename("wins").reset_index().assign(triplets=triplets.ngroups)
    table.insert(0, "relation", relation)
    table.insert(1, "direction", direction)
    return table.assign(share=table.wins / (triplets.ngroups or np.nan))


def both_directions(table: pd.DataFrame) -> pd.DataFrame:
    """Forward beside reverse, for the scatter: one row a head and relation.

    Args:
        table: of `Measurement.table`.

    Returns:
        Columns relation, layer, head, and for each direction index, control, excess, q_value, events and triplets, as in
        `index_forward` and `index_reverse`.
    """
    wide = table.pivot(index=["relation", *_HEAD], columns="direction", values=_COMPARED)
    wide.columns = [f"{column}_{direction}" for column, direction in wide.columns]
    return wide.reset_index().astype({f"{name}_{way}": int for name in ("events", "triplets") for way in DIRECTIONS})
