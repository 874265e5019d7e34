"""Dictionaries at a glance: how often a feature fires, and sparsity against what is explained."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.theme import SERIES, finish, require


def activation_histogram(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Bars of `count` over activation bins `left` .. `right`, counts on a log axis."""
    require(frame, "left", "right", "count")
    bars = go.Bar(
        x=(frame["left"] + frame["right"]) / 2,
        y=frame["count"],
        width=frame["right"] - frame["left"],
        marker={"color": SERIES[0], "line": {"width": 0}},
        hovertemplate="activation %{x:.3g}: %{y:,} positions<extra></extra>",
    )
    figure = finish(go.Figure(bars), title=title, x="activation", y="positions", height=260)
    figure.update_yaxes(type="log")
    return figure


def pareto(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """`explained_variance` against `l0`, a line a `family` (ReLU-L1, TopK, ...); `label` names a point."""
    require(frame, "l0", "explained_variance", "family", "label")
    figure = go.Figure()
    for colour, (family, group) in zip(SERIES * 9, frame.groupby("family", sort=False), strict=False):
        group = group.sort_values("l0")
        figure.add_trace(
            go.Scatter(
                x=group["l0"],
                y=group["explained_variance"],
                mode="lines+markers",
                name=str(family),
                text=group["label"].astype(str),
                hovertemplate="%{text}: L0 %{x:.1f}, explained %{y:.3f}<extra></extra>",
                line={"color": colour},
            )
        )
    finish(figure, title=title, x="active features (L0)", y="explained variance", legend=True)
    figure.update_xaxes(type="log")
    return figure
