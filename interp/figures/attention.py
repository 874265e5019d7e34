"""An attention score split into pairs: query-side feature times key-side feature (He et al. 2024, QK tracing)."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.theme import DIVERGING, finish, require, symmetric_limit


def pair_heat_map(frame: pd.DataFrame, *, title: str = "", top: int = 12) -> go.Figure:
    """Heat map of `contribution` by `query` and `key` label, the `top` of each side by summed size."""
    require(frame, "query", "key", "contribution")
    size = frame.assign(size=frame["contribution"].abs())
    sides = [size.groupby(side)["size"].sum().nlargest(top).index for side in ("query", "key")]
    table = frame.pivot_table(index="query", columns="key", values="contribution", aggfunc="sum")
    table = table.reindex(index=sides[0], columns=sides[1])
    limit = symmetric_limit(table.to_numpy().ravel().tolist())
    heat = go.Heatmap(
        z=table.to_numpy(),
        x=[str(name) for name in table.columns],
        y=[str(name) for name in table.index],
        colorscale=DIVERGING,
        zmin=-limit,
        zmax=limit,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10},
        hovertemplate="query %{y}<br>key %{x}<br>%{z:+.3f}<extra></extra>",
    )
    figure = finish(go.Figure(heat), title=title, x="key side", y="query side", height=160 + 24 * max(len(table), 4))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, tickangle=-40)
    return figure
