"""Panel A: the health of a step in numbers, the sums that must hold, and the same by layer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.moe_panels.traffic import Traffic
from apps.moe_panels.view import STEP, View, choose, opening_step, step_of, steps_of
from apps.shell.numbers import Metric, row_html
from apps.shell.page import guarded, note
from training.moe.health import COUNTS, MEASURES
from training.moe.identities import Identity

_TABLE = "by-layer"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}
_RATES = ("drop", "padding", "rectified")


def step_slider(traffic: Traffic) -> None:
    """Which forward pass is looked at."""
    steps = steps_of(traffic)
    step_of(traffic)  # tells of a bad link before the control drops what it does not know
    if len(steps) > 1:
        st.select_slider("Step", steps, str(opening_step(traffic)), key=STEP, bind="query-params")


def totals(view: View) -> dict[str, float]:
    """Counts of the step over all layers; NaN where slots are unknown."""
    loads = view.traffic.records.loads
    return loads[loads["step"] == view.step][list(COUNTS)].sum(min_count=1).to_dict()


_MARKS = {True: "✓", False: "✗ does not add up", None: "? the records do not tell"}


def sums_told(sums: Sequence[Identity]) -> str:
    """Sums that hold in every plan, and whether they do."""
    if not sums:
        return "sums are not checked, as it has no rows of tokens here"
    return " · ".join(f"{one.told} {_MARKS[one.holds]}" for one in sums)


def numbers(view: View) -> list[Metric]:
    """The row of numbers: rates over all layers, the worst layer for skew."""
    counts, layers = totals(view), view.traffic.health.loc[view.step]
    rates = {
        "drop": counts["dropped"] / max(counts["demand"], 1),
        "padding": counts["padding"] / counts["slots"] if counts["slots"] == counts["slots"] else float("nan"),
        "rectified": counts["rectified"] / max(counts["demand"], 1),
    }
    rows = [Metric(name, rate, _share(rate), MEASURES[name]) for name, rate in rates.items()]
    worst = layers["violation"].max()
    rows.append(Metric("max violation", worst, f"{worst:.2f}", f"{MEASURES['violation']} The worst layer."))
    rows.append(Metric("CV", layers["cv"].median(), f"{layers['cv'].median():.2f}", f"{MEASURES['cv']} Median layer."))
    rows.append(
        Metric("dead experts", layers["dead"].sum(), f"{layers['dead'].sum():.0f}", f"{MEASURES['dead']} All layers.")
    )
    low = layers["entropy"].min()
    rows.append(Metric("entropy", low, f"{low:.3f}", f"{MEASURES['entropy']} The lowest layer."))
    balance = layers["balance"].mean()
    rows.append(Metric("balancing loss", balance, _number(balance), f"{MEASURES['balance']} Mean of the layers."))
    return rows


def _share(rate: float) -> str:
    return "unknown" if rate != rate else f"{rate:.1%}"


def _number(value: float) -> str:
    return "unknown" if value != value else f"{value:.3f}"


def show(view: View) -> None:
    """Draw the row, and the quantiles over layers."""
    st.html(row_html(numbers(view)))
    layers = view.traffic.health.loc[view.step]
    spread = [_spread(layers[name], name) for name in ("drop", "violation") if layers[name].notna().any()]
    note(f"of {len(layers)} layers: {'; '.join(spread)}")


@guarded
def show_sums(view: View) -> None:
    """Say whether the rows add up; they are read for it."""
    note(sums_told(view.traffic.recorded_sums(view.step)))
    st.markdown("")


def _spread(values: pd.Series, name: str) -> str:
    shown = [f"{label} {values.quantile(share):.1%}" if name in _RATES else f"{label} {values.quantile(share):.2f}"
             for label, share in _QUANTILES.items()]  # fmt: skip
    return f"{name} {' '.join(shown)}"


def show_layers(view: View) -> None:
    """List the layers; a click on a row looks at that layer."""
    layers = view.traffic.health.loc[view.step]
    table = layers.reset_index().dropna(axis=1, how="all")
    numbers_of = {
        name: st.column_config.NumberColumn(
            name, format="percent" if name in _RATES else "%.3f" if name != "dead" else "%d", help=MEASURES[name], width=78
        )
        for name in MEASURES
    }
    found = table["layer"].tolist()

    def picked() -> None:
        if (rows := st.session_state[_TABLE]["selection"]["rows"]) and rows[0] < len(found):
            choose(layer=found[rows[0]])

    st.dataframe(
        table, key=_TABLE, on_select=picked, selection_mode="single-row", hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 300),
        column_config={"layer": st.column_config.NumberColumn("layer", width=58), **numbers_of},
    )  # fmt: skip
