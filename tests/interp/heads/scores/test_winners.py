"""Winning heads by hand, by loops over a random measurement, and for a planted head."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from interp.heads.index.options import IndexOptions
from interp.heads.index.result import Measurement
from interp.heads.index.rows import schema
from interp.heads.scores.winners import both_directions, winning_heads
from interp.runs.errors import UserError
from tests.interp.heads.planted import documents, planted
from tests.interp.heads.test_planted import measured

TAUS = (0.0, 2.2)


def measurement(rows: list[dict[str, Any]]) -> Measurement:
    """Rows without candidates."""
    default = {"relation": "r", "direction": "forward", "order": "tail first", "tau": 2.2, "events": 1}
    empty: dict[str, list[int]] = {"control_events": [], "control_sums": []}
    table = pa.Table.from_pylist([default | row | empty for row in rows], schema=schema(1))
    return Measurement(ds.dataset(table), pd.DataFrame(), layers=2, heads=2, relations=("r", "s"), taus=TAUS)


def row(document: str, triplet: int, layer: int, head: int, total: float, **others: Any) -> dict[str, Any]:
    return {"document": document, "triplet": triplet, "layer": layer, "head": head, "sum": total, **others}


def wins(table: pd.DataFrame, relation: str = "r", direction: str = "forward") -> dict[tuple[int, int], float]:
    chosen = table[(table.relation == relation) & (table.direction == direction) & (table.wins > 0)]
    return {(one.layer, one.head): one.wins for one in chosen.itertuples()}


def test_by_hand() -> None:
    rows = [
        # 0.1 wins over 1.0 on the mean, 0.6 against 1.2 / 3, levels and orders put together.
        row("a", 0, 0, 1, 0.6),
        row("a", 0, 1, 0, 1.0, events=1, tau=0.0),
        row("a", 0, 1, 0, 0.2, events=2, order="head first"),
        # The same triplet number in another document; equal shares split the win.
        row("b", 0, 0, 1, 2.0, events=2),
        row("b", 0, 1, 1, 1.0),
        # Nobody raises this tail.
        row("b", 1, 0, 0, 0.0),
        # The other direction is another count.
        row("a", 0, 0, 0, 0.1, direction="reverse"),
    ]
    table = winning_heads(measurement(rows), tau=None)
    assert len(table) == 2 * 2 * 2 * 2
    assert wins(table) == {(0, 1): 1.5, (1, 1): 0.5}
    assert wins(table, direction="reverse") == {(0, 0): 1.0} and wins(table, relation="s") == {}
    forward = table[(table.relation == "r") & (table.direction == "forward")]
    assert (forward.triplets == 2).all() and forward.share.sum() == pytest.approx(1)
    assert table[table.relation == "s"].share.isna().all() and (table[table.relation == "s"].triplets == 0).all()


def test_tau_takes_events_away() -> None:
    rows = [row("a", 0, 0, 1, 0.6), row("a", 0, 1, 0, 0.9, tau=0.0)]
    assert wins(winning_heads(measurement(rows), tau=None)) == {(1, 0): 1.0}
    assert wins(winning_heads(measurement(rows), tau=2.2)) == {(0, 1): 1.0}
    with pytest.raises(UserError, match="tau 3 was not measured; this measurement has 0"):
        winning_heads(measurement(rows), tau=3.0)


def test_without_any_event() -> None:
    table = winning_heads(measurement([]))
    assert len(table) == 16 and (table.wins == 0).all() and table.share.isna().all()


def test_a_planted_head_wins_and_others_are_counted_by_loops() -> None:
    network, layer, head = planted(3, "attended")
    found = measured(network, documents(3), IndexOptions(ov_token="attended"))
    table = winning_heads(found)
    best = table[(table.relation == "planted") & (table.direction == "forward")].nlargest(1, "wins").iloc[0]
    assert (best["layer"], best["head"]) == (layer, head) and best["share"] > 0.5
    rows = found.rows.to_table().to_pandas()
    rows = rows[(rows.tau >= 2.2) & (rows.events > 0) & (rows.relation == "other") & (rows.direction == "reverse")]
    expected: dict[tuple[int, int], float] = {}
    for _, triplet in rows.groupby(["document", "triplet"], observed=True):
        sums = triplet.groupby(["layer", "head"])[["sum", "events"]].sum()
        means = sums["sum"] / sums["events"]
        winners = means[(means == means.max()) & (means > 0)].index
        for one in winners:
            expected[one] = expected.get(one, 0) + 1 / len(winners)
    assert len(expected) > 3 and wins(table, "other", "reverse") == pytest.approx(expected)


def test_both_directions_of_a_head_stand_in_one_row() -> None:
    network, layer, head = planted(3, "attended")
    table = measured(network, documents(3), IndexOptions(ov_token="attended")).table(statistics=None)
    wide = both_directions(table)
    assert len(wide) == len(table) / 2 and wide.events_forward.dtype == np.int64
    at = wide[(wide.relation == "planted") & (wide["layer"] == layer) & (wide["head"] == head)].iloc[0]
    for direction in ("forward", "reverse"):
        one = table[(table.relation == "planted") & (table["layer"] == layer) & (table["head"] == head)]
        one = one[one.direction == direction].iloc[0]
        for name in ("index", "excess", "events"):
            np.testing.assert_equal(at[f"{name}_{direction}"], one[name])
    assert at.index_forward > at.index_reverse
