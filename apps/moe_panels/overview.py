"""Panel A: the health of a step, or of all that are brushed, in numbers, the sums that must hold, and the same by layer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.moe_panels.brush import forget
from apps.moe_panels.traffic import Traffic
from apps.moe_panels.view import STEP, View, choose, opening_step, step_of, steps_of
from apps.shell.numbers import Metric, row_html
from apps.shell.page import guarded, note
from training.moe.health import MEASURES
from training.moe.identities import Identity

_TABLE = "by-layer"
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95}
_RATES = ("drop", "padding", "rectified")


def step_slider(traffic: Traffic) -> None:
    """Which forward pass is looked at."""
    steps = steps_of(traffic)
    step_of(traffic)  # tells of a bad link before the control drops what it does not know
    if len(steps) > 1:
        st.select_slider("Step", steps, str(opening_step(traffic)), key=STEP, on_change=forget, bind="query-params")


_MARKS = {True: "✓", False: "✗ does not add up", None: "? the records do not tell"}


def sums_told(sums: Sequence[Identity]) -> str:
    """Sums that hold in every plan, and whether they do."""
    if not sums:
        return "sums are not checked, as it has no rows of tokens here"
    return " · ".join(f"{one.told} {_MARKS[one.holds]}" for one in sums)


def numbers(view: View) -> list[Metric]:
    """The row of numbers: rates over all layers, the worst layer for skew."""
    counts, layers = view.traffic.over(view.steps)
    together, mean = (" All brushed steps together.", " Mean of the brushed steps.") if view.brushed else ("", "")
    rates = {
        "drop": counts["dropped"] / max(counts["demand"], 1),
        "padding": counts["padding"] / counts["slots"] if counts["slots"] == counts["slots"] else float("nan"),
        "rectified": counts["rectified"] / max(counts["demand"], 1),
    }
    rows = [Metric(name, rate, _share(rate), f"{MEASURES[name]}{together}") for name, rate in rates.items()]
    worst = layers["violation"].max()
    rows.append(Metric("max violation", worst, f"{worst:.2f}", f"{MEASURES['violation']} The worst layer.{mean}"))
    middle, dead, low = layers["cv"].median(), layers["dead"].sum(), layers["entropy"].min()
    rows.append(Metric("CV", middle, f"{middle:.2f}", f"{MEASURES['cv']} Median layer.{mean}"))
    rows.append(Metric("dead experts", dead, f"{dead:.1f}".removesuffix(".0"), f"{MEASURES['dead']} All layers.{mean}"))
    rows.append(Metric("entropy", low, f"{low:.3f}", f"{MEASURES['entropy']} The lowest layer.{mean}"))
    balance = layers["balance"].mean()
    rows.append(Metric("balancing loss", balance, _number(balance), f"{MEASURES['balance']} Mean of the layers.{mean}"))
    return rows


def _share(rate: float) -> str:
    return "unknown" if rate != rate else f"{rate:.1%}"


def _number(value: float) -> str:
    return "unknown" if value != value else f"{value:.3f}"


def show(view: View) -> None:
    """Draw the row, of what steps it is, and the quantiles over layers."""
    if view.brushed:
        _brushed(view)
    st.html(row_html(numbers(view)))
    _, layers = view.traffic.over(view.steps)
    spread = [_spread(layers[name], name) for name in ("drop", "violation") if layers[name].notna().any()]
    note(f"of {len(layers)} layers: {'; '.join(spread)}")


def _brushed(view: View) -> None:
    """Say which steps are summed up, and offer the way back."""
    first, last = view.steps
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.badge(f"Steps {first} to {last}: {len(view.span)} steps together", icon=":material/select_all:")
        st.button(f"Back to step {view.step}", key="unbrush", on_click=forget, type="tertiary", icon=":material/close:")
    note(
        "The numbers and the table by layer are of these steps: rates of their counts together, of all else the mean over "
        f"them; domains too. All other panels are of step {view.step}."
    )


@guarded
def show_sums(view: View) -> None:
    """Say whether the rows add up; they are read for it."""
    of = f"Step {view.step}: " if view.brushed else ""
    note(f"{of}{sums_told(view.traffic.recorded_sums(view.step))}")
    st.markdown("")


def _spread(values: pd.Series, name: str) -> str:
    shown = [f"{label} {values.quantile(share):.1%}" if name in _RATES else f"{label} {values.quantile(share):.2f}"
             for label, share in _QUANTILES.items()]  # fmt: skip
    return f"{name} {' '.join(shown)}"


def show_layers(view: View) -> None:
    """List the layers; a click on a row looks at that layer."""
    _, layers = view.traffic.over(view.steps)
    table = layers.reset_index().dropna(axis=1, how="all")
    kinds = {"dead": "%.1f" if view.brushed else "%d"}
    numbers_of = {
        name: st.column_config.NumberColumn(
            name, format="percent" if name in _RATES else kinds.get(name, "%.3f"), help=MEASURES[name], width=78
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
