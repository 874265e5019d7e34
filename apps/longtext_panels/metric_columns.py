"""Panel C: each metric by type: histogram, boxes, a range to choose documents by, and how metrics go together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from apps.longtext_panels.view import View, key_of, metric_range, set_metric_range
from apps.shell.charts import chart
from apps.shell.page import note
from interp.figures.longtext import metric_distribution, rank_correlations
from training.longtext.metrics import METRICS

_METRIC, _CELL = "metric", "correlations"


def controls(view: View) -> str | None:
    """Which metric is shown, and the range that documents must lie in; None if there is none to show."""
    present = [name for name in METRICS if view.documents[name].notna().any()]
    if not present:
        return None
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        key = key_of(_METRIC, view.language)
        metric: str = st.selectbox("Metric", present, key=key, width=200, bind="query-params")
        values = view.documents[metric].dropna()
        low, high = float(values.min()), float(values.max())
        if low < high:
            name = f"range-{metric}-{view.language}"
            st.slider(
                "Keep documents between",
                low,
                high,
                (low, high),
                key=name,
                width=320,
                format="%.4f",
                step=(high - low) / 200,
                on_change=_on_range,
                args=(view.language, metric, name, low, high),
            )
    return metric


def _on_range(language: str, metric: str, name: str, low: float, high: float) -> None:
    first, last = st.session_state[name]
    step = (high - low) / 400  # a slider's own steps do not meet both ends exactly
    first, last = low if first <= low + step else first, high if last >= high - step else last
    set_metric_range(language, None if (first, last) == (low, high) else (metric, first, last))


def show(view: View, metric: str | None) -> None:
    """Draw the panel."""
    if metric is None:
        note("No metric was computed for documents of this language.")
        return
    told = METRICS[metric]
    note(f"{told.definition} Source: {told.source}.")
    span = metric_range(view.language)
    chart(
        metric_distribution(view.documents, metric=metric, span=span[1:] if span and span[0] == metric else None),
        key="columns",
    )


def show_correlations(view: View) -> None:
    """Draw the table; a click on a cell shows that row's metric."""
    found = rank_correlations(view.documents, list(METRICS))
    if found.empty:
        return
    st.dataframe(
        found,
        key=key_of(_CELL, view.language),
        on_select=lambda: _on_cell(view.language, found),
        selection_mode="single-cell",
        height=36 * (len(found) + 1) + 2,
        column_config={
            name: st.column_config.NumberColumn(name.split("_", 1)[1], format="%.2f", width=58) for name in found
        },
    )
    if len(found) > 1:
        apart = found.where(~np.eye(len(found), dtype=bool)).stack()
        one, other = apart.abs().idxmax()
        told = f"{found.loc[one, other]:+.2f}, {one} with {other}"
        note(f"Rank correlations of {len(view.documents):,} documents; the strongest is {told}.")


def _on_cell(language: str, found: pd.DataFrame) -> None:
    cells = st.session_state[key_of(_CELL, language)]["selection"]["cells"]
    if cells and cells[0][0] < len(found):
        st.session_state[key_of(_METRIC, language)] = found.index[cells[0][0]]
