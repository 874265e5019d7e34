"""Clusters of a corpus: the map, their sizes, and what a way of sampling makes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from interp.figures.lines import lines
from interp.figures.theme import INK, NEGATIVE, NEUTRAL, POSITIVE, SERIES, finish, require

MOST_CATEGORIES = 7
"""Categories with a colour of their own; the rest share one."""
MOST_NAMED = 5_000
"""Points that show their names under the cursor; more would slow the page down."""
OTHER = "other"
UNCHOSEN = "rgba(138, 143, 152, 0.28)"
_SCALE = ((0.0, "#2c1e64"), (0.3, "#31688e"), (0.6, "#35b779"), (1.0, "#fde725"))


def document_map(
    frame: pd.DataFrame,
    *,
    colour: str = "cluster",
    labels: pd.DataFrame | None = None,
    ink: str = INK,
    title: str = "",
    height: int = 520,
) -> go.Figure:
    """Documents at `x`, `y`, coloured by a column: `cluster`, one of numbers, or one of categories.

    `document` is the number that comes back with a selection. With a column `chosen` only those documents are coloured,
    the rest is grey; with `name` they are named under the cursor. `labels` has `x`, `y`, `text`, written on the map in the
    colour `ink`.
    """
    frame = require(frame, "x", "y", "document", colour)
    figure, size = go.Figure(), _point_size(len(frame))
    if "chosen" in frame:
        figure.add_trace(_points(frame[~frame["chosen"]], UNCHOSEN, size, name="not chosen"))
        frame, size = frame[frame["chosen"]], size + 1
    for name, part, colours in _coloured(frame, colour):
        figure.add_trace(_points(part, None, size, name=name, marker=colours))
    if labels is not None:
        figure.add_trace(_labels(require(labels, "x", "y", "text"), ink))
    categories = not _is_number(frame[colour]) and colour != "cluster"
    finish(figure, title=title, height=height, legend=categories)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    below = {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "top"}  # clear of the buttons above
    margin = {"l": 0, "r": 0, "t": 36 if title else 4, "b": 56 if categories else 0}
    figure.update_layout(margin=margin, legend=below, dragmode="lasso")
    return figure


def _coloured(frame: pd.DataFrame, colour: str) -> list[tuple[str, pd.DataFrame, dict]]:
    """Traces as name, rows and marker: one for clusters and numbers, one a category."""
    if colour == "cluster":
        wheel = [(step / len(SERIES), name) for number, name in enumerate(SERIES) for step in (number, number + 1)]
        turn = (frame[colour] % len(SERIES)).to_numpy(np.uint8)
        scale = {"color": turn, "colorscale": wheel, "cmin": -0.5, "cmax": len(SERIES) - 0.5, "showscale": False}
        return [(colour, frame, scale)]
    if _is_number(frame[colour]):
        values = frame[colour].to_numpy(np.float32)
        bar = {"title": {"text": colour}, "thickness": 10, "len": 0.7}
        return [(colour, frame, {"color": values, "colorscale": _SCALE, "showscale": True, "colorbar": bar})]
    names = frame[colour].astype(str)
    kept = names.value_counts().index[:MOST_CATEGORIES]
    names = names.where(names.isin(kept), OTHER)
    shown = [*kept, OTHER] if OTHER in set(names) else list(kept)
    return [(name, frame[names == name], {"color": tint}) for name, tint in zip(shown, SERIES, strict=False)]


def _points(frame: pd.DataFrame, tint: str | None, size: float, *, name: str, marker: dict | None = None) -> go.Scattergl:
    named = "name" in frame and len(frame) <= MOST_NAMED
    return go.Scattergl(
        x=frame["x"].to_numpy(np.float32),
        y=frame["y"].to_numpy(np.float32),
        customdata=frame["document"].to_numpy(np.int32),
        mode="markers",
        name=name,
        marker={"size": size, "opacity": 0.8, **({"color": tint} if tint else marker or {})},
        text=frame["name"].tolist() if named else None,
        hovertemplate="%{text}<extra></extra>" if named else None,
        hoverinfo=None if named else "none",
        unselected={"marker": {"color": "#8a8f98", "opacity": 0.2}},
    )


def _labels(frame: pd.DataFrame, ink: str) -> go.Scatter:
    return go.Scatter(
        x=frame["x"],
        y=frame["y"],
        text=frame["text"],
        mode="text",
        textfont={"size": 12, "weight": 600, "shadow": "auto", "color": ink},
        hoverinfo="skip",
        showlegend=False,
        name="labels",
    )


def _point_size(points: int) -> float:
    return 6.0 if points <= 3_000 else 4.0 if points <= 20_000 else 2.5


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def rank_size(frame: pd.DataFrame, *, common: int = 0, bars: bool = False, title: str = "") -> go.Figure:
    """Sizes of clusters (`cluster`, `size`, `label`), the largest first: on two log axes, or as bars.

    The first `common` ones are blue, the rare rest orange, with a line between. Empty clusters are left out. With a
    column `chosen` all others are grey.
    """
    frame = require(frame, "cluster", "size", "label")
    frame = frame[frame["size"] > 0].sort_values("size", ascending=False, kind="stable")
    rank = np.arange(1, len(frame) + 1)
    tint = np.where(rank <= common, POSITIVE, NEGATIVE) if common else np.full(len(frame), POSITIVE)
    if "chosen" in frame and frame["chosen"].any():
        tint = np.where(frame["chosen"], tint, NEUTRAL)
    shared = {"x": rank, "y": frame["size"], "customdata": frame["cluster"], "text": frame["label"]}
    hover = "cluster %{customdata}: %{y:,} documents<br>%{text}<extra></extra>"
    figure = go.Figure()
    if bars:
        figure.add_trace(go.Bar(**shared, marker={"color": tint}, hovertemplate=hover, textposition="none"))
    else:
        figure.add_trace(go.Scatter(**shared, mode="markers", marker={"color": tint, "size": 7}, hovertemplate=hover))
    finish(figure, title=title, x="rank", y="documents", height=300)
    if not bars:
        figure.update_layout(xaxis_type="log", yaxis_type="log")
    if 0 < common < len(frame):
        cut = common + 0.5
        figure.add_vline(x=cut, line={"dash": "dot", "color": NEUTRAL, "width": 1})
        place = cut if bars else float(np.log10(cut))
        for text, side in (("common ", "right"), (" rare", "left")):
            figure.add_annotation(x=place, y=1, yref="paper", text=text, showarrow=False, xanchor=side, yanchor="top")
    return figure


def repeats_by_size(frame: pd.DataFrame, *, clip: float = np.inf, title: str = "") -> go.Figure:
    """How often a document of a cluster is seen (`repeats`) by the cluster's `size`, a line a `strategy`, log axes.

    A finite `clip` is drawn as a line.
    """
    frame = require(frame, "size", "repeats", "strategy")
    figure = lines(frame[frame["size"] > 0], "size", "repeats", "strategy", mode="lines+markers")
    figure.update_traces(marker={"size": 4})
    if np.isfinite(clip):
        figure.add_hline(y=clip, line={"dash": "dot", "color": NEUTRAL, "width": 1})
        where = {"x": 1, "xref": "paper", "y": float(np.log10(clip)), "xanchor": "right", "yanchor": "bottom"}
        figure.add_annotation(**where, text=f"clip {clip:g}", showarrow=False)
    finish(figure, title=title, x="documents of the cluster", y="times each is seen", legend=True, height=300)
    figure.update_layout(xaxis_type="log", yaxis_type="log")
    return figure


def coverage(frame: pd.DataFrame, *, clips: pd.DataFrame | None = None, x: str = "draws", title: str = "") -> go.Figure:
    """Different documents seen (`unique`) along the budget (column `x`), a line a `strategy`.

    `clips` has `cluster` and a column `x`: where each cluster is knocked out, drawn as ticks at the bottom.
    """
    figure = lines(require(frame, x, "unique", "strategy"), x, "unique", "strategy", mode="lines")
    if clips is not None and len(clips):
        figure.add_trace(
            go.Scatter(
                x=clips[x],
                y=np.zeros(len(clips)),
                mode="markers",
                marker={"symbol": "line-ns-open", "size": 10, "color": NEGATIVE},
                customdata=clips["cluster"],
                hovertemplate="cluster %{customdata} is knocked out after %{x:,.0f}<extra></extra>",
                name="knocked out",
            )
        )
    finish(figure, title=title, x=f"{x} so far", y="different documents", legend=True, height=300)
    figure.update_yaxes(rangemode="tozero")
    return figure


def differences(frame: pd.DataFrame, *, baseline: str, title: str = "", x: str = "nats a token") -> go.Figure:
    """Mean differences to a `baseline` with their intervals: `part` on the vertical axis, `mean`, `low`, `high`.

    A colour a `strategy`; left of the dashed line is better than the baseline where the measure is a loss.
    """
    frame = require(frame, "strategy", "part", "mean", "low", "high")
    figure = go.Figure()
    for colour, (name, group) in zip(SERIES * 9, frame.groupby("strategy", sort=False), strict=False):
        reach = {"array": group["high"] - group["mean"], "arrayminus": group["mean"] - group["low"], "thickness": 1.4}
        figure.add_trace(
            go.Scatter(
                x=group["mean"], y=group["part"], error_x=reach, mode="markers", name=str(name),
                marker={"color": colour, "size": 8},
            )
        )  # fmt: skip
    figure.add_vline(0, line={"dash": "dash", "color": NEUTRAL, "width": 1})
    finish(figure, title=title, x=f"difference to {baseline} ({x})", legend=True, height=120 + 45 * frame["part"].nunique())
    figure.update_layout(
        scattermode="group", yaxis={"categoryorder": "array", "categoryarray": list(frame["part"].unique())[::-1]}
    )
    return figure
