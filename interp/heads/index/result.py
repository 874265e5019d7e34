"""From sums of shares to the table of heads: index, control, interval, p-value of every head, relation and direction.

One measurement (`interp.heads.index.run`) holds the sums for all thresholds of its grid and for both averages, so that every
table, and how stable the set of heads is over tau, is read from it without another pass of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from interp.heads.index.options import TAUS, Average
from interp.heads.index.recall import Direction, Order
from interp.heads.index.statistics import (
    DEFAULT,
    StatisticsOptions,
    Summands,
    bootstrap_intervals,
    means,
    permutation_p_values,
    q_values,
)
from interp.runs.errors import UserError

FEW, COMPARED = 20, 5
"""Cells with fewer events or compared triplets are greyed out in figures and take no part in sets of heads."""
_READ = ["document", "triplet", "layer", "head", "events", "sum", "control_events", "control_sums"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")


@dataclass(frozen=True)
class Measurement:
    """Sums of shares of one model over one set of relations."""

    rows: ds.Dataset
    """See `interp.heads.index.rows`; read from disk as it is needed, one relation and direction at a time."""
    ratios: pd.DataFrame
    """See `interp.heads.index.relation_index.Ratios.table`."""
    layers: int
    heads: int
    relations: tuple[str, ...]
    """All that were asked for, events or not."""
    taus: tuple[float, ...]

    def table(
        self,
        *,
        tau: float | None = 2.2,
        average: Average = "macro",
        order: Order | None = None,
        statistics: StatisticsOptions | None = DEFAULT,
    ) -> pd.DataFrame:
        """One row for every head, relation and direction.

        Args:
            tau: one of `taus`; None for the arg max alone.
            average: see `interp.heads.index.options.IndexOptions`.
            order: to look at those pairs alone in which this end stands first.
            statistics: how p-values and intervals are drawn; without it they are NaN.

        Returns:
            Columns layer, head, relation, direction, index, control (the same for matched random tails), excess (index
            minus control over the triplets that have such a tail), low and high (bootstrap interval of the index),
            p_value, q_value (adjusted over the heads of a relation and direction), events, triplets, compared (how many
            have a random tail with events). A head without events has the index 0, and NaN for all but the counts.

        Raises:
            UserError: for a tau that was not measured.
        """
        chosen, tables = self._chosen(tau, order), []
        for relation in self.relations:
            for direction in DIRECTIONS:
                here = chosen & (pc.field("relation") == relation) & (pc.field("direction") == direction)
                data = summands(self.rows.to_table(_READ, filter=here), self.heads, average)
                tables.append(self._cells(data, relation, direction, statistics))
        return pd.concat(tables, ignore_index=True)

    def ratio_shares(self) -> pd.DataFrame:
        """How far attention stands out (their figure 11): over all heads and positions, a row for each tau but the arg max.

        Columns tau, share (of events whose ratio to the runner-up exceeds it), share_elsewhere (the same among those that
        do not attend to the text's first position, an attention sink in many models).
        """
        counted = self.ratios.assign(elsewhere=self.ratios.events - self.ratios.at_first)
        shares = [
            {
                "tau": tau,
                "share": counted.events[counted.ratio >= tau].sum() / counted.events.sum(),
                "share_elsewhere": counted.elsewhere[counted.ratio >= tau].sum() / max(counted.elsewhere.sum(), 1),
            }
            for tau in TAUS[1:]
        ]
        return pd.DataFrame(shares)

    def on(self, documents: Sequence[str]) -> Measurement:
        """What was measured on some of the documents alone: to choose heads on one part and test them on another.

        The ratios stay those of all documents.
        """
        return replace(self, rows=self.rows.filter(pc.field("document").isin(list(documents))))

    def _chosen(self, tau: float | None, order: Order | None) -> pc.Expression:
        threshold = 0.0 if tau is None else tau
        if threshold not in self.taus:
            known = ", ".join(f"{one:g}" for one in self.taus)
            raise UserError(f"tau {threshold:g} was not measured; this measurement has {known} (0 is the arg max alone)")
        chosen = pc.field("tau") >= threshold
        return chosen if order is None else chosen & (pc.field("order") == order)

    def _cells(
        self, data: Summands, relation: str, direction: Direction, statistics: StatisticsOptions | None
    ) -> pd.DataFrame:
        cells = self.layers * self.heads
        found, drawn = means(data, cells), np.full((4, cells), np.nan)
        if statistics is not None:
            p_values = permutation_p_values(data, cells, statistics)
            drawn = np.stack([*bootstrap_intervals(data, cells, statistics), p_values, q_values(p_values)])
        layer, head = np.divmod(np.arange(cells), self.heads)
        columns = {"layer": layer, "head": head, "relation": relation, "direction": direction}
        columns |= {"index": found.index, "control": found.control, "excess": found.excess}
        columns |= dict(zip(("low", "high", "p_value", "q_value"), drawn, strict=True))
        counts = {"events": found.events, "triplets": found.triplets, "compared": found.compared}
        return pd.DataFrame(columns | counts)


def summands(rows: pa.Table, heads: int, average: Average) -> Summands:
    """Rows of one relation and direction as summands, one for a triplet and head.

    Levels and orders of a triplet are put together; triplets without an event of their own tail are left out.
    """
    triplet, layer, head = (rows.column(name).to_numpy().astype(np.int64) for name in ("triplet", "layer", "head"))
    document = _numbered(rows.column("document"))
    ends = [values.max(initial=0) + 1 for values in (document, triplet)]
    key = ((layer * heads + head) * ends[0] + document) * ends[1] + triplet
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    events, sums = (
        np.add.reduceat(_slots(rows, own, others)[order], starts)
        for own, others in (("events", "control_events"), ("sum", "control_sums"))
    )
    kept = events[:, 0] > 0
    key, events, sums = key[order][starts][kept], events[kept], sums[kept]
    cell, document = np.divmod(key // ends[1], ends[0])
    if average == "micro":
        return Summands(cell, document, sums, events, events[:, 0])
    return Summands(cell, document, sums / np.maximum(events, 1), (events > 0).astype(float), events[:, 0])


def _numbered(names: pa.ChunkedArray) -> np.ndarray:
    """Numbers in the order of the names: the same wherever the rows lie."""
    encoded = names.unify_dictionaries().combine_chunks()
    rank = np.argsort(np.argsort(encoded.dictionary.to_numpy(zero_copy_only=False)))
    return np.unique(rank[encoded.indices.to_numpy()], return_inverse=True)[1].astype(np.int64)


def _slots(rows: pa.Table, own: str, others: str) -> np.ndarray:
    """The tail's column and its candidates' beside it, in float64: float32 sums are not to be added up in float32."""
    column = rows.column(others)
    flat = np.concatenate([chunk.flatten().to_numpy() for chunk in column.chunks] or [np.empty(0)])
    return np.column_stack([rows.column(own).to_numpy(), flat.reshape(len(rows), column.type.list_size)]).astype(np.float64)


def head_set(table: pd.DataFrame, relation: str, direction: Direction, *, top: int = 10) -> set[tuple[int, int]]:
    """The heads whose index exceeds its control most, (layer, head): none with few events or little to compare with."""
    enough = (table.events >= FEW) & (table.compared >= COMPARED) & (table.excess > 0)
    best = table[enough & (table.relation == relation) & (table.direction == direction)].nlargest(top, "excess")
    return set(zip(best["layer"].tolist(), best["head"].tolist(), strict=True))


def stability(measurement: Measurement, *, top: int = 10, taus: Sequence[float] | None = None) -> pd.DataFrame:
    """How much sets of heads at two taus share (Jaccard: common heads over all heads of both; their appendix A).

    Returns a row for each relation, direction and pair of taus: `relation`, `direction`, `tau`, `other`, `jaccard`
    (NaN where both sets are empty), `heads` and `other_heads` (sizes of the sets).
    """
    taus = measurement.taus if taus is None else taus
    tables = {tau: measurement.table(tau=tau, statistics=None) for tau in taus}
    found: list[dict[str, Any]] = []
    for relation in measurement.relations:
        for direction in DIRECTIONS:
            sets = {tau: head_set(table, relation, direction, top=top) for tau, table in tables.items()}
            for tau, other in combinations(taus, 2):
                union = sets[tau] | sets[other]
                share = len(sets[tau] & sets[other]) / len(union) if union else float("nan")
                row = {"relation": relation, "direction": direction, "tau": tau, "other": other, "jaccard": share}
                found.append(row | {"heads": len(sets[tau]), "other_heads": len(sets[other])})
    return pd.DataFrame(found)
