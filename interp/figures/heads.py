"""Attention heads at a glance: maps over layers and heads, who recalls which relation, where the threshold lies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures.theme import (
    DIVERGING,
    GRID,
    INK,
    NEGATIVE,
    NEUTRAL,
    SEQUENTIAL,
    SERIES,
    finish,
    require,
    symmetric_limit,
)

_GREY = "#e3e5e8"


def head_maps(
    frame: pd.DataFrame, *, value: str = "excess", facet: str = "relation", fewest: int = 20, title: str = ""
) -> go.Figure:
    """A map of layers (down) by heads (across) for each `facet`, all on one scale; `value` is signed or not.

    With a column `events`, cells of fewer than `fewest` are grey, and so are cells that a column `enough` denies: their
    values are noise.
    """
    require(frame, "layer", "head", value, facet)
    frame = frame.assign(_shown=_worth_showing(frame, fewest))
    names = list(dict.fromkeys(frame[facet]))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=names,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        vertical_spacing=0.12,
    )
    shown = frame[frame["_shown"]]
    signed = bool((shown[value] < 0).any())
    for number, name in enumerate(names):
        where = {"row": number // columns + 1, "col": number % columns + 1}
        for trace in _map(frame[frame[facet] == name], value):
            figure.add_trace(trace, **where)
    limit = symmetric_limit(shown[value].tolist())
    figure.update_layout(
        coloraxis={
            "colorscale": DIVERGING if signed else SEQUENTIAL,
            "cmin": -limit if signed else 0,
            "cmax": limit,
            "colorbar": {"title": {"text": value}, "thickness": 12},
        }
    )
    finish(figure, title=title, height=150 + rows * max(150, 9 * frame["layer"].nunique()))
    figure.update_layout(margin={"t": 84})
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_xaxes(title_text="head", row=rows)
    figure.update_yaxes(title_text="layer", col=1)
    return figure


def _worth_showing(frame: pd.DataFrame, fewest: int) -> pd.Series:
    shown = frame["events"] >= fewest if "events" in frame else pd.Series(True, index=frame.index)
    return shown & frame["enough"] if "enough" in frame else shown


def _map(frame: pd.DataFrame, value: str) -> list[go.Heatmap]:
    """The values, and beneath them grey cells where there is nothing worth showing."""
    grid = frame.assign(**{value: frame[value].where(frame["_shown"])}).pivot(index="layer", columns="head", values=value)
    events = frame.pivot(index="layer", columns="head", values="events") if "events" in frame else None
    shown = grid.to_numpy(dtype=float)
    told = np.full(grid.shape, "", dtype=object) if events is None else events.map("{:,.0f} events".format).to_numpy()
    places = {"x": grid.columns, "y": grid.index, "xgap": 1, "ygap": 1}
    under = go.Heatmap(
        z=np.ones(grid.shape), colorscale=[[0, _GREY], [1, _GREY]], showscale=False, hoverinfo="skip", **places
    )
    hover = "layer %{y}, head %{x}: %{z:.3f} %{customdata}<extra></extra>"
    return [
        under,
        go.Heatmap(z=shown, customdata=told, coloraxis="coloraxis", hovertemplate=hover, hoverongaps=False, **places),
    ]


def head_relation_matrix(frame: pd.DataFrame, *, value: str = "excess", top: int = 4, title: str = "") -> go.Figure:
    """The `top` heads of each relation against all relations: which heads serve one, which serve several."""
    require(frame, "layer", "head", "relation", value)
    best = frame.groupby("relation", sort=False, group_keys=False)[frame.columns].apply(
        lambda group: group.nlargest(top, value)
    )
    chosen = best[["layer", "head"]].drop_duplicates().sort_values(["layer", "head"])
    grid = frame.merge(chosen).pivot(index=["layer", "head"], columns="relation", values=value)
    grid = grid[list(dict.fromkeys(frame["relation"]))]
    names = [f"L{layer}H{head}" for layer, head in grid.index]
    limit = symmetric_limit(grid.to_numpy().ravel().tolist())
    cells = go.Heatmap(
        z=grid, x=grid.columns, y=names, colorscale=DIVERGING, zmin=-limit, zmax=limit, xgap=1, ygap=1,
        colorbar={"title": {"text": value}, "thickness": 12}, hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    figure = finish(go.Figure(cells), title=title, height=150 + 15 * len(names))
    figure.update_yaxes(autorange="reversed", dtick=1, showgrid=False)
    return figure.update_xaxes(showgrid=False)


def attention_ratios(frame: pd.DataFrame, *, tau: float | None = None, title: str = "") -> go.Figure:
    """Share of `events` in which attention stands out by more than a `ratio` to the runner-up, and what `tau` keeps."""
    by_ratio = require(frame, "ratio", "events").groupby("ratio")["events"].sum().sort_index()
    above = by_ratio[::-1].cumsum()[::-1] / by_ratio.sum()
    line = go.Scatter(x=above.index, y=above, mode="lines", line={"color": SERIES[0], "shape": "hv"}, fill="tozeroy")
    line.hovertemplate = "above %{x:.2f}: %{y:.1%}<extra></extra>"
    ratios, shares = "attention on the most attended token over the runner-up (log)", "share of events above"
    figure = finish(go.Figure(line), title=title, x=ratios, y=shares, height=280)
    figure.update_xaxes(type="log").update_yaxes(tickformat=".0%", rangemode="tozero")
    if tau is not None:
        kept = float(by_ratio[by_ratio.index >= tau].sum() / by_ratio.sum())
        figure.add_vline(tau, line={"color": NEGATIVE, "dash": "dash"})
        label = f" tau {tau:g}: {kept:.1%} above"  # a log axis wants the place of a text, but not of a line, as a logarithm
        figure.add_annotation(x=math.log10(tau), y=1, yref="paper", text=label, showarrow=False, xanchor="left")
    return figure


def forward_reverse(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Each head's `forward` value against its `reverse` one, coloured by `relation`; on the line both are the same."""
    require(frame, "layer", "head", "relation", "forward", "reverse")
    figure = go.Figure()
    for colour, (name, group) in zip(SERIES * 9, frame.groupby("relation", sort=False), strict=False):
        figure.add_trace(
            go.Scatter(
                x=group["forward"], y=group["reverse"], mode="markers", name=str(name),
                marker={"color": colour, "size": 6, "opacity": 0.7}, customdata=group[["layer", "head"]],
                hovertemplate="L%{customdata[0]}H%{customdata[1]}: %{x:.3f}, reversed %{y:.3f}",
            )
        )  # fmt: skip
    ends = [float(frame[["forward", "reverse"]].min().min()), float(frame[["forward", "reverse"]].max().max())]
    figure.add_trace(
        go.Scatter(x=ends, y=ends, mode="lines", line={"color": NEUTRAL, "dash": "dot"}, showlegend=False, hoverinfo="skip")
    )
    return finish(figure, title=title, x="head → tail", y="tail → head", legend=True, height=420)


def ablation_against_random(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """`effect` of taking heads away, a row a `measure`: the chosen set against random sets (`set` is chosen or random)."""
    require(frame, "measure", "set", "effect")
    figure = go.Figure()
    for name, colour, symbol, size in (("random", NEUTRAL, "line-ns-open", 14), ("chosen", NEGATIVE, "diamond", 11)):
        group = frame[frame["set"] == name]
        dots = {"color": colour, "symbol": symbol, "size": size}
        figure.add_trace(
            go.Scatter(x=group["effect"], y=group["measure"], mode="markers", name=f"{name} heads", marker=dots)
        )
    figure.add_vline(0, line={"color": INK, "width": 1})
    return finish(
        figure,
        title=title,
        x="change when the heads are taken away",
        legend=True,
        height=150 + 40 * frame["measure"].nunique(),
    )


def small_multiples(
    frame: pd.DataFrame, *, x: str, facets: Sequence[str], marks: dict[str, float] | None = None, title: str = ""
) -> go.Figure:
    """`value` against `x`, one panel a `facet` one above another so that times can be compared, a line a `series`.

    `marks` are drawn into every panel as dashed lines with their names: change points. A log axis shows x + 1.
    """
    require(frame, x, "value", "facet", "series")
    figure = make_subplots(len(facets), 1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=list(facets))
    for row, facet in enumerate(facets, start=1):
        panel = frame[frame["facet"] == facet]
        for colour, (name, group) in zip(SERIES * 9, panel.groupby("series", sort=False), strict=False):
            group = group.sort_values(x)
            legend = f"legend{row}" if row > 1 else "legend"
            look = {"color": colour, "width": 1.6}
            line = go.Scatter(
                x=group[x] + 1, y=group["value"], mode="lines+markers", name=str(name), line=look, legend=legend
            )
            figure.add_trace(line, row=row, col=1)
        for number, (name, place) in enumerate((marks or {}).items()):
            label = {"text": name, "textposition": "end", "font": {"size": 10}} if row == 1 else None
            figure.add_vline(
                place + 1, row=row, col=1, line={"color": SERIES[-1 - number % 4], "dash": "dash", "width": 1}, label=label
            )
    finish(figure, title=title, height=110 + 210 * len(facets), legend=True)
    figure.update_xaxes(type="log", gridcolor=GRID)
    figure.update_xaxes(title_text=f"{x} (log)", row=len(facets))
    for row in range(1, len(facets) + 1):
        domain = figure.layout["yaxis" if row == 1 else f"yaxis{row}"].domain
        name = "legend" if row == 1 else f"legend{row}"
        figure.update_layout(
            {
                name: {
                    "orientation": "v",
                    "x": 1.01,
                    "xanchor": "left",
                    "y": domain[1],
                    "yanchor": "top",
                    "font": {"size": 11},
                }
            }
        )
    return figure
