"""Lines over a common axis, one a series, in the colours of the theme."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.theme import SERIES


def lines(
    frame: pd.DataFrame,
    x: str,
    y: str,
    series: str,
    *,
    mode: str = "lines+markers",
    text: str = "",
    hover: str | None = None,
) -> go.Figure:
    """Column `y` against `x`, a line each value of `series`, in the order of their first rows.

    Columns `low` and `high`, if there, are drawn as error bars; the column named `text` is there for the template
    `hover`.
    """
    figure = go.Figure()
    for colour, (name, group) in zip(SERIES * 9, frame.groupby(series, sort=False), strict=False):
        group = group.sort_values(x)
        line = go.Scatter(x=group[x], y=group[y], mode=mode, name=str(name), line={"color": colour}, hovertemplate=hover)
        if text:
            line.text = group[text].astype(str)
        if {"low", "high"} <= set(group.columns):
            line.error_y = {"array": group["high"] - group[y], "arrayminus": group[y] - group["low"], "thickness": 1}
        figure.add_trace(line)
    return figure
