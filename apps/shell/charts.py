"""Plotly figures in an app: the library's figure on the page's own ground, so that dark themes stay dark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import plotly.graph_objects as go
import streamlit as st

Mode = Literal["points", "box", "lasso"]
SVG = Path(__file__).with_name("svg.js")
"""Script with which components of ours draw SVG: `make(parent, tag, attributes, text)`."""


def chart(figure: go.Figure, *, key: str) -> None:
    """Show a figure of `interp.figures`."""
    config = {"displaylogo": False, "displayModeBar": False}
    st.plotly_chart(_on_page(figure), key=key, width="stretch", config=config)


def selectable_chart(
    figure: go.Figure, *, key: str, on_select: Callable[[], None], modes: Sequence[Mode], tools: bool = False
) -> None:
    """Show a figure whose points can be selected: `modes` of points, box and lasso; `tools` are buttons above it."""
    config: dict[str, Any] = {"displaylogo": False, "displayModeBar": tools, "scrollZoom": tools}
    if tools:
        config["modeBarButtonsToRemove"] = ["autoScale2d", "hoverClosestCartesian", "hoverCompareCartesian"]
    st.plotly_chart(_on_page(figure), key=key, width="stretch", config=config, on_select=on_select, selection_mode=modes)


def _on_page(figure: go.Figure) -> go.Figure:
    figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": None})
    figure.update_xaxes(gridcolor=None, tickfont={"color": None})
    figure.update_yaxes(gridcolor=None, tickfont={"color": None})
    return figure
