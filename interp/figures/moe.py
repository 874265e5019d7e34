"""Mixtures of experts: load by expert and layer, what became of demand and slots, training, replays under other rules."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures.lines import lines
from interp.figures.theme import DIVERGING, INK, NEUTRAL, SEQUENTIAL, SERIES, finish, require

PARTS = {
    "kept": SERIES[0],
    "filled": SERIES[2],
    "padding": "rgba(138, 143, 152, 0.28)",
    "dropped": SERIES[1],
    "rectified": SERIES[3],
}
"""Colours of what becomes of slots (the first three) and of what lies beyond them."""
_LAST_RATIO = 2.0
"""Utilisation from which on colours stay the same."""


def expert_grid(
    frame: pd.DataFrame, *, by_load: bool = False, chosen: tuple[int, int] | None = None, title: str = ""
) -> go.Figure:
    """A square an expert (`expert`, across) and `layer` (up), coloured by `utilisation`, which is 1 where load is even.

    A selection has the number of the row. A cross marks an expert that nobody asked for, a triangle one
    that `dropped` choices. `by_load` sorts each layer's experts by their utilisation; `chosen` is framed.
    """
    frame = require(frame, "layer", "expert", "utilisation", "dropped", "demand")
    layers, experts = sorted(frame["layer"].unique()), int(frame["expert"].max()) + 1
    place = frame.groupby("layer")["utilisation"].rank(method="first", ascending=False) - 1 if by_load else frame["expert"]
    x, y = place.to_numpy(float), frame["layer"].map({layer: row for row, layer in enumerate(layers)}).to_numpy(float)
    size = float(np.clip(820 / experts - 4, 7, 30))
    figure = go.Figure(_squares(frame, x, y, size))
    for mask, symbol, told in (
        (frame["demand"] == 0, "x", "nobody asked"), (frame["dropped"] > 0, "triangle-up", "dropped some"),
    ):  # fmt: skip
        marker = {"symbol": symbol, "size": size * 0.42, "color": INK, "line": {"width": 1, "color": "white"}}
        here = mask.to_numpy(bool)
        figure.add_trace(go.Scatter(x=x[here], y=y[here], mode="markers", name=told, marker=marker, hoverinfo="skip"))
    if chosen is not None:
        here = ((frame["layer"] == chosen[0]) & (frame["expert"] == chosen[1])).to_numpy(bool)
        ring = {"symbol": "square-open", "size": size + 5, "color": SERIES[1], "line": {"width": 3}}
        figure.add_trace(go.Scatter(x=x[here], y=y[here], mode="markers", marker=ring, hoverinfo="skip", showlegend=False))
    across = "experts, the most loaded first" if by_load else "expert"
    finish(figure, title=title, x=across, y="layer", height=int(120 + (size + 8) * len(layers)), legend=True)
    figure.update_xaxes(
        range=[-0.6, experts - 0.4],
        dtick=1 if experts <= 16 else None,
        showgrid=False,
        zeroline=False,
        showticklabels=not by_load,
    )
    figure.update_yaxes(
        tickvals=list(range(len(layers))), ticktext=[str(layer) for layer in layers], range=[-0.7, len(layers) - 0.3],
        showgrid=False, zeroline=False,
    )  # fmt: skip
    return figure


def _squares(frame: pd.DataFrame, x: np.ndarray, y: np.ndarray, size: float) -> go.Scatter:
    told = [
        f"layer {row.layer}, expert {row.expert}<br>{row.utilisation:.2f} of the mean load<br>"
        f"{row.demand:,.0f} asked, {row.dropped:,.0f} dropped"
        for row in frame.itertuples()
    ]
    return go.Scatter(
        x=x, y=y, mode="markers", customdata=np.arange(len(frame)), text=told, showlegend=False,
        hovertemplate="%{text}<extra></extra>", unselected={"marker": {"opacity": 1}},
        marker={
            "symbol": "square", "size": size, "color": frame["utilisation"].to_numpy(float), "cmin": 0, "cmax": _LAST_RATIO,
            "colorscale": DIVERGING, "line": {"width": 0.5, "color": NEUTRAL},
            "colorbar": {"title": {"text": "load over mean", "side": "right"}, "thickness": 10,
                         "tickvals": [0, 0.5, 1, 1.5, 2], "ticktext": ["0", "½", "1", "1½", "2+"]},
        },
    )  # fmt: skip


def load_bars(frames: Mapping[str, pd.DataFrame], *, chosen: int | None = None, title: str = "") -> go.Figure:
    """A layer's experts, grouped by their `rank`: slots as `kept`, `filled`, `padding`; beyond them `dropped`, `rectified`.

    One plot a frame, say before and after. A line shows the capacity of an expert, its slots of all ranks, where `slots`
    are known; `chosen` is marked.
    """
    figure = make_subplots(rows=1, cols=len(frames), shared_yaxes=True, subplot_titles=list(frames), horizontal_spacing=0.03)
    for column, frame in enumerate(frames.values(), 1):
        frame = require(frame, "expert", "rank", "slots", *PARTS).sort_values("expert")
        ranks = [f"rank {rank}" for rank in frame["rank"]] if frame["rank"].nunique() <= 16 else ["experts"] * len(frame)
        names = [f"[{expert}]" if expert == chosen else str(expert) for expert in frame["expert"]]
        for part, tint in PARTS.items():
            pattern = {"shape": "/", "fgcolor": tint, "bgcolor": "rgba(0,0,0,0)"} if part == "dropped" else {}
            figure.add_trace(
                go.Bar(
                    x=[ranks, names], y=frame[part].to_numpy(float), name=part, legendgroup=part, showlegend=column == 1,
                    marker={"color": tint, "pattern": pattern, "line": {"width": 0}},
                    hovertemplate="expert %{x}: %{y:,} " + part + "<extra></extra>",
                ),
                row=1, col=column,
            )  # fmt: skip
        if frame["slots"].notna().all():
            figure.add_hline(
                float(frame["slots"].max()), line={"color": NEUTRAL, "width": 1.6, "dash": "dash"}, row=1, col=column
            )
    finish(figure, title=title, height=360, legend=True)
    below = {"orientation": "h", "y": -0.3, "yanchor": "top", "x": 0, "xanchor": "left"}
    figure.update_layout(barmode="stack", bargap=0.18, legend=below, margin={"t": 60 if title else 30, "b": 92})
    figure.update_yaxes(title_text="rows", row=1, col=1)
    figure.update_annotations(font={"size": 12.5})
    return figure


def load_bands(
    frame: pd.DataFrame, *, chosen: int | None = None, brushed: tuple[int, int] | None = None, title: str = ""
) -> go.Figure:
    """Over training `step`: the spread of load (`min`, `p10`, `median`, `p90`, `max`), rates, and the balancing loss.

    `drop`, `padding` and `balance` are drawn where they are known, and come back with a selection as their step; `chosen`
    is a step that is marked, `brushed` are steps from and to which the ground is shaded.
    """
    frame = require(frame, "step", "min", "p10", "median", "p90", "max", "drop", "padding").sort_values("step")
    balance = int("balance" in frame and bool(frame["balance"].notna().any()))
    figure = make_subplots(rows=2 + balance, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for low, high, opacity, name in (("min", "max", 0.12, "all experts"), ("p10", "p90", 0.28, "the middle 80 %")):
        edge = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(x=frame["step"], y=frame[low], showlegend=False, **edge), row=1, col=1)
        shade = {"fill": "tonexty", "fillcolor": f"rgba(0, 114, 178, {opacity})"}
        figure.add_trace(go.Scatter(x=frame["step"], y=frame[high], name=name, **edge, **shade), row=1, col=1)
    dots = {
        "mode": "lines+markers",
        "marker": {"size": 6 if len(frame) < 60 else 3},
        "customdata": frame["step"].to_numpy(np.int64),
    }
    rows = [("median", 1, SERIES[0]), ("drop", 2, SERIES[1]), ("padding", 2, NEUTRAL)]
    for name, row, tint in [*rows, *([("balance", 3, SERIES[2])] if balance else [])]:
        if frame[name].notna().any():
            line = go.Scatter(x=frame["step"], y=frame[name], name=name, line={"color": tint}, **dots)
            figure.add_trace(line, row=row, col=1)
    finish(figure, title=title, height=340 + 110 * balance, legend=True)
    figure.update_yaxes(title_text="load over mean", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="share", tickformat=".0%", rangemode="tozero", row=2, col=1)
    if balance:
        figure.update_yaxes(title_text="balancing loss", row=3, col=1)
    figure.update_xaxes(title_text="step", row=2 + balance, col=1)
    if chosen is not None:
        figure.add_vline(chosen, line={"color": NEUTRAL, "dash": "dot", "width": 1.5})
    if brushed is not None:
        figure.add_vrect(*brushed, fillcolor=NEUTRAL, opacity=0.18, line_width=0, layer="below")
    return figure


def token_moves(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Tokens by how they fare before (rows) and after (columns)."""
    shares = table.to_numpy(float) / max(float(table.to_numpy().sum()), 1)
    heat = go.Heatmap(
        z=shares, x=list(table.columns), y=list(table.index), colorscale=SEQUENTIAL, showscale=False, zmin=0, zmax=1,
        text=table.to_numpy(), texttemplate="%{text:,}", hovertemplate="%{y} → %{x}: %{text:,} tokens<extra></extra>",
    )  # fmt: skip
    figure = finish(go.Figure(heat), title=title, x="after", y="before", height=280)
    return figure.update_yaxes(autorange="reversed")


def co_activation(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """How often two experts read the same token: over what independent choices would give, 1 in the middle."""
    heat = go.Heatmap(
        z=table.to_numpy(float), x=[str(name) for name in table.columns], y=[str(name) for name in table.index],
        colorscale=DIVERGING, zmin=0, zmax=2, colorbar={"thickness": 10},
        hovertemplate="experts %{y} and %{x}: %{z:.2f} of chance<extra></extra>",
    )  # fmt: skip
    figure = finish(go.Figure(heat), title=title, x="expert", y="expert", height=340)
    return figure.update_yaxes(autorange="reversed")


def domain_shares(frame: pd.DataFrame, *, experts: int, title: str = "") -> go.Figure:
    """Share of each `domain` (down) in the rows of each `expert` (across), as `domains_read` of `training.moe` has them.

    A cell is coloured by its `lift`, 1 in the middle, if the interval from `low` to `high` leaves 1 out. It is white if
    not, and crossed out if there is no interval. Shares are written in the cells of up to 16 experts.
    """
    frame = require(frame, "domain", "expert", "share", "overall", "rows", "texts", "lift", "low", "high")
    names = list(dict.fromkeys(frame["domain"]))
    known = frame.assign(
        sure=frame["lift"].where((frame["low"] > 1) | (frame["high"] < 1), 1.0),
        told=[_domain_told(row) for row in frame.itertuples()],
        written=[f"{row.share:.0%}" if row.low == row.low else "×" for row in frame.itertuples()],
    )
    grid = {
        column: known.pivot(index="domain", columns="expert", values=column).reindex(index=names, columns=range(experts))
        for column in ("sure", "told", "written")
    }
    of_all = frame.drop_duplicates("domain").set_index("domain")["overall"]
    heat = go.Heatmap(
        z=grid["sure"].to_numpy(float), customdata=grid["told"].to_numpy(),
        text=grid["written"].astype(object).fillna("").to_numpy(),
        x=[str(expert) for expert in range(experts)], texttemplate="%{text}" if experts <= 16 else None,
        y=list(range(len(names))),
        hovertemplate="%{customdata}<extra></extra>", colorscale=DIVERGING, zmin=0, zmax=2, xgap=1, ygap=1, showscale=False,
    )  # fmt: skip
    figure = finish(go.Figure(heat), title=title, x="expert", height=110 + 36 * len(names))
    labels = [f"{escape(name[:40])}<br>{of_all[name]:.0%} of all" for name in names]  # two may be alike
    figure.update_yaxes(autorange="reversed", tickmode="array", tickvals=list(range(len(names))), ticktext=labels)
    return figure.update_xaxes(type="category")


def _domain_told(row: Any) -> str:
    sure = f", 95 % from {row.low:.2f} to {row.high:.2f}" if row.low == row.low else ", too few to say how sure"
    return (
        f"expert {row.expert}, {escape(row.domain[:40])}: {row.rows:,} rows, {row.share:.1%} of the expert's<br>"
        f"{row.lift:.2f} of the share in all rows{sure}<br>from {row.texts:,} texts"
    )


def capacity_curves(frame: pd.DataFrame, *, y: str, name: str = "", title: str = "", share: bool = True) -> go.Figure:
    """Column `y` against `capacity`, a line a `router`; `low` and `high`, if there, are drawn as error bars."""
    figure = lines(require(frame, "capacity", "router", y), "capacity", y, "router")
    finish(figure, title=title, x="capacity, slots over tokens (c_eff)", y=name or y, legend=True)
    return figure.update_yaxes(tickformat=".0%") if share else figure
