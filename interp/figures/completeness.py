"""Does a decomposition add up, and how few nodes carry it? The completeness bar and the faithfulness curve."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.lines import lines
from interp.figures.theme import INK, NEGATIVE, POSITIVE, finish, require


def completeness_bar(frame: pd.DataFrame, *, value: float, title: str = "") -> go.Figure:
    """Waterfall of `frame` (part, sum) ending beside the target's true `value`; the residual shows as the last step."""
    require(frame, "part", "sum")
    residual = value - float(frame["sum"].sum())
    waterfall = go.Waterfall(
        x=[*frame["part"].astype(str), "residual", "value"],
        y=[*frame["sum"], residual, value],
        measure=["relative"] * (len(frame) + 1) + ["total"],
        increasing_marker_color=POSITIVE,
        decreasing_marker_color=NEGATIVE,
        totals_marker_color=INK,
        text=[f"{part:+.3f}" for part in [*frame["sum"], residual]] + [f"{value:.3f}"],
        connector={"line": {"width": 0.5}},
        hovertemplate="%{x}: %{text}<extra></extra>",
    )
    return finish(go.Figure(waterfall), title=title, y="sum of contributions", height=320)


def faithfulness_curve(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Share of the target recovered (`recovered`) against the number of nodes kept (`nodes`), a line a `method`."""
    require(frame, "nodes", "recovered", "method")
    figure = lines(frame, "nodes", "recovered", "method")
    figure.add_hline(y=1.0, line={"dash": "dot", "width": 1, "color": INK})
    finish(figure, title=title, x="nodes kept", y="share of the target recovered", legend=True)
    figure.update_xaxes(type="log")
    return figure
