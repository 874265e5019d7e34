"""Panel A: the health of a step in numbers, the sums that must hold, and the same by layer."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.moe_panels.traffic import Traffic
from apps.moe_panels.view import STEP, View, choose, opening_step, step_of, steps_of
from apps.shell.numbers import Metric, row_html
from apps.shell.page import note
from training.moe.health import COUNTS, MEASURES

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


def identities(counts: dict[str, float]) -> dict[str, bool]:
    """Sums that hold in every plan, as sentences, and whether they do."""
    whole = {name: f"{value:,.0f}" for name, value in counts.items()}
    found = {
        f"{whole['demand']} choices = {whole['kept']} kept + {whole['dropped']} dropped": counts["demand"]
        == counts["kept"] + counts["dropped"]
    }
    if counts["slots"] == counts["slots"]:
        told = f"{whole['slots']} slots = {whole['kept']} kept + {whole['filled']} filled + {whole['padding']} padding"
        found[told] = counts["slots"] == counts["kept"] + counts["filled"] + counts["padding"]
    return found


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
    """Draw the row, the sums, and the quantiles over layers."""
    st.html(row_html(numbers(view)))
    layers, sums = view.traffic.health.loc[view.step], identities(totals(view))
    marks = [f"{told} {'✓' if holds else '✗ does not add up'}" for told, holds in sums.items()]
    spread = [_spread(layers[name], name) for name in ("drop", "violation") if layers[name].notna().any()]
    note(" · ".join([*marks, f"of {len(layers)} layers: {'; '.join(spread)}"]))
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
