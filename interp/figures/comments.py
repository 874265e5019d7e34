"""Comments in code: how dense they are, what becomes of proposed ones, and what reading them does for a model."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.lines import lines
from interp.figures.theme import INK, NEGATIVE, POSITIVE, SERIES, finish, require

_BINS = 40


def density_bars(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Density of every `group` in rows: `density` of all its characters as a bar, the densest on top.

    Columns `macro` (the mean over its files) and `density_without_licences`, if there, are marks on the bar; `files` is
    told under the cursor.
    """
    frame = require(frame, "group", "density", "files").sort_values("density", kind="stable")
    told = "%{y}: %{x:.1%} of %{customdata:,} files<extra></extra>"
    figure = go.Figure(
        go.Bar(
            x=frame["density"], y=frame["group"].astype(str), orientation="h", name="all characters",
            marker={"color": POSITIVE}, customdata=frame["files"], hovertemplate=told,
        )
    )  # fmt: skip
    marks = (
        ("macro", "mean over files", "diamond", INK),
        ("density_without_licences", "without licences", "line-ns-open", NEGATIVE),
    )
    for column, name, symbol, colour in marks:
        if column in frame:
            mark = {"symbol": symbol, "size": 9, "color": colour, "line": {"width": 2, "color": colour}}
            figure.add_trace(go.Scatter(x=frame[column], y=frame["group"], mode="markers", name=name, marker=mark))
    finish(figure, title=title, x="comment characters / all characters", legend=True, height=110 + 24 * len(frame))
    figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    return figure


def density_histogram(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Shares of files and of their characters by comment density: `density` (0..1) and `characters` of every file."""
    frame = require(frame, "density", "characters")
    figure = go.Figure()
    weights = (("files", None), ("characters", frame["characters"]))
    for (name, weight), colour in zip(weights, SERIES, strict=False):
        figure.add_trace(
            go.Histogram(
                x=frame["density"], y=weight, histfunc="sum" if weight is not None else "count", histnorm="probability",
                xbins={"start": 0, "end": 1, "size": 1 / _BINS}, name=name, marker={"color": colour}, opacity=0.6,
            )
        )  # fmt: skip
    finish(figure, title=title, x="comment density of the file", y="share", legend=True, height=300)
    figure.update_layout(barmode="overlay", xaxis_tickformat=".0%", yaxis_tickformat=".0%")
    return figure


def end_thresholds(frame: pd.DataFrame, *, threshold: float | None = None, title: str = "") -> go.Figure:
    """Probability of the end token, `p_end` on a log axis, of the pieces of code of every `kind`; `name` is told.

    A `threshold` above which code is declined is drawn as a line.
    """
    frame = require(frame, "kind", "p_end", "name")
    figure = go.Figure()
    for colour, (kind, group) in zip(SERIES * 9, frame.groupby("kind", sort=False), strict=False):
        figure.add_trace(
            go.Scatter(
                x=group["p_end"], y=group["kind"], mode="markers", name=str(kind), text=group["name"],
                marker={"color": colour, "size": 9, "opacity": 0.7}, hovertemplate="%{text}: %{x:.2g}<extra></extra>",
            )
        )  # fmt: skip
    finish(
        figure, title=title, x="probability of the end token as the whole answer", height=140 + 40 * frame["kind"].nunique()
    )
    figure.update_xaxes(type="log", exponentformat="power")
    if threshold is not None:
        figure.add_vline(x=threshold, line={"dash": "dash", "color": NEGATIVE, "width": 1.4})
    return figure


def funnel(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """What is left at every `stage`, in the order of the rows: `count`, with the `reason` for what was lost, if given."""
    frame = require(frame, "stage", "count")
    lost = "reason" in frame
    figure = go.Figure(
        go.Funnel(
            y=frame["stage"], x=frame["count"], textinfo="value", marker={"color": POSITIVE},
            customdata=frame["reason"] if lost else None, connector={"fillcolor": "#e6e8eb"},
            hovertemplate="%{y}: %{x:,}" + ("<br>%{customdata}" if lost else "") + "<extra></extra>",
        )
    )  # fmt: skip
    return finish(figure, title=title, height=110 + 36 * len(frame))


def reasons(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """How many comments were dropped for every `reason`, and how many `taken`: columns `reason`, `count`, `taken`."""
    frame = require(frame, "reason", "count", "taken").sort_values("count", kind="stable")
    tint = [POSITIVE if taken else NEGATIVE for taken in frame["taken"]]
    bars = go.Bar(x=frame["count"], y=frame["reason"], orientation="h", marker={"color": tint}, text=frame["count"])
    return finish(go.Figure(bars), title=title, x="comments", height=110 + 26 * len(frame))


def pass_rates(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Share of tasks solved, `pass_rate` with `low` and `high`, against `density` (0..1), a line a `control`."""
    frame = require(frame, "control", "density", "pass_rate", "low", "high")
    figure = lines(frame, "density", "pass_rate", "control")
    finish(figure, title=title, x="comment density of what was read", y="tasks solved", legend=True, height=320)
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def pass_at_k(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """pass@k: `value` with `low` and `high` against `k`, a line each `estimator`."""
    figure = lines(require(frame, "k", "value", "estimator"), "k", "value", "estimator")
    finish(figure, title=title, x="k", y="pass@k", legend=True, height=300)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(dtick=1)
    return figure
