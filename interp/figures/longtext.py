"""Long texts: the plane of their types, how metrics are distributed and go together, what damage does to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from interp.figures.theme import DIVERGING, INK, NEUTRAL, SEQUENTIAL, SERIES, finish, require

COLOURS = {"holistic": SERIES[0], "aggregated": SERIES[5], "chaotic": SERIES[1], "none": NEUTRAL}
"""Of the types; blue, amber and vermilion differ for all kinds of colour vision."""
_SYMBOLS = {"holistic": "circle", "aggregated": "square", "chaotic": "x", "none": "circle-open"}
MOST_SVG = 2_000
"""Points drawn as SVG; more are drawn by WebGL."""
_BINS = 24


def decision_plane(
    frame: pd.DataFrame,
    *,
    x: str = "coh",
    y: str = "csn",
    names: Mapping[str, str] | None = None,
    cuts: Mapping[str, float] | None = None,
    title: str = "",
    height: int = 430,
) -> go.Figure:
    """Documents at columns `x` and `y`, a colour and a sign for each `type`, with the borders between the types.

    `number` comes back with a selection, `id` is told under the cursor. With a column `chosen` all others are grey.
    `cuts` has `low`, `high` and `extreme`, drawn where an axis is `coh`, `csn` or `cpx`; `names` are axis titles.
    """
    frame = require(frame, "id", "number", "type", x, y)
    frame = frame[frame[x].notna() & frame[y].notna()]
    kinds = frame["type"].fillna("none")
    figure = go.Figure()
    away = ~frame["chosen"].to_numpy(bool) if "chosen" in frame else np.zeros(len(frame), bool)
    if away.any():
        figure.add_trace(_points(frame[away], x, y, "not chosen", {"color": "rgba(138, 143, 152, 0.3)", "size": 7}))
    for kind in [name for name in COLOURS if (kinds[~away] == name).any()]:
        marker = {"color": COLOURS[kind], "symbol": _SYMBOLS[kind], "size": 9, "opacity": 0.85}
        figure.add_trace(_points(frame[~away & (kinds == kind).to_numpy()], x, y, kind, marker))
    told = dict(names or {})
    finish(figure, title=title, x=told.get(x, x), y=told.get(y, y), height=height, legend=True)
    if cuts:
        _borders(figure, x, y, cuts)
    return figure


def _points(frame: pd.DataFrame, x: str, y: str, name: str, marker: dict) -> go.Scatter | go.Scattergl:
    make = go.Scatter if len(frame) <= MOST_SVG else go.Scattergl
    return make(
        x=frame[x].to_numpy(float),
        y=frame[y].to_numpy(float),
        customdata=frame["number"].to_numpy(np.int64),
        text=frame["id"].tolist() if len(frame) <= MOST_SVG else None,
        mode="markers",
        name=name,
        marker=marker,
        hovertemplate="%{text}<br>%{x:.3f}, %{y:.3f}<extra></extra>" if len(frame) <= MOST_SVG else None,
        unselected={"marker": {"opacity": 0.85}},
    )


def _borders(figure: go.Figure, x: str, y: str, cuts: Mapping[str, float]) -> None:
    """Where both axes are those of the rule: the corner of holistic texts, and that of chaotic ones, dashed as it takes an
    extreme complexity too. With one such axis: lines across."""
    solid, dashed = ({"color": NEUTRAL, "width": 1.6, "dash": dash} for dash in ("solid", "dash"))
    low, high, extreme = (cuts[name] for name in ("low", "high", "extreme"))
    if {x, y} == {"coh", "csn"}:
        for level, end, line in ((high, 1.02, solid), (low, -0.02, dashed)):
            corner = {"x": [level, level, end], "y": [end, level, level]}
            figure.add_trace(go.Scatter(**corner, mode="lines", line=line, showlegend=False, hoverinfo="skip"))
        named = ((1.0, "right", "top", "holistic"), (0.0, "left", "bottom", "chaotic, if complexity is extreme"))
        for place, xanchor, yanchor, text in named:
            at = {"x": place, "y": place, "xanchor": xanchor, "yanchor": yanchor}
            figure.add_annotation(**at, text=text, showarrow=False, opacity=0.6)
        figure.update_layout(xaxis_range=[-0.02, 1.02], yaxis_range=[-0.02, 1.02])
        return
    both = ((low, dashed), (high, solid))
    for axis, draw in ((x, figure.add_vline), (y, figure.add_hline)):
        for value, style in {"coh": both, "csn": both, "cpx": ((extreme, dashed),)}.get(axis, ()):
            draw(value, line=style)


def metric_distribution(
    frame: pd.DataFrame, *, metric: str, by: str = "type", span: tuple[float, float] | None = None, title: str = ""
) -> go.Figure:
    """A metric's histogram, a colour for each value of `by`, over boxes of the same; `span` is shaded."""
    frame = require(frame, metric, by)
    frame = frame[frame[metric].notna()]
    values = frame[metric].to_numpy(float)
    edges = np.histogram_bin_edges(values, _BINS) if len(values) else np.linspace(0, 1, _BINS + 1)
    groups = frame[by].fillna("none").astype(str)
    known = [name for name in COLOURS if (groups == name).any()]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.03)
    for place, name in enumerate([*known, *sorted(set(groups) - set(known))]):
        own = values[(groups == name).to_numpy()]
        tint = COLOURS.get(name, SERIES[place % len(SERIES)])
        counts = np.histogram(own, edges)[0]
        bars = go.Bar(x=(edges[:-1] + edges[1:]) / 2, y=counts, name=name, marker_color=tint, width=np.diff(edges))
        figure.add_trace(bars, row=1, col=1)
        figure.add_trace(_box(own, name, tint), row=2, col=1)
    finish(figure, title=title, height=330, legend=True)
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(title_text="documents", row=1, col=1)
    figure.update_xaxes(title_text=metric, row=2, col=1)
    figure.update_yaxes(showticklabels=False, row=2, col=1)
    if span:
        figure.add_vrect(*span, fillcolor=NEUTRAL, opacity=0.15, line_width=0)
    return figure


def _box(values: np.ndarray, name: str, tint: str) -> go.Box:
    """A box from its five numbers, so that no value travels."""
    low, first, middle, third, high = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    return go.Box(
        q1=[first], median=[middle], q3=[third], lowerfence=[low], upperfence=[high], y=[name], name=name,
        marker_color=tint, showlegend=False, orientation="h",
    )  # fmt: skip


def rank_correlations(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Spearman's correlations between the metrics that documents have; metrics that do not vary are left out."""
    known = [name for name in metrics if require(frame, name)[name].nunique() > 1]
    return frame[known].corr("spearman").round(2)


def correlations(frame: pd.DataFrame, metrics: Sequence[str], *, title: str = "") -> go.Figure:
    """Rank correlations between the metrics that documents have."""
    found = rank_correlations(frame, metrics)
    known = list(found)
    heat = go.Heatmap(
        z=found, x=known, y=known, zmin=-1, zmax=1, colorscale=DIVERGING, texttemplate="%{z:.2f}", colorbar_thickness=10
    )
    figure = finish(go.Figure(heat), title=title, height=120 + 40 * len(known))
    figure.update_yaxes(autorange="reversed")
    return figure


def confusion(table: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Documents by known type (rows) and found type (columns)."""
    heat = go.Heatmap(
        z=table.to_numpy(), x=list(table.columns), y=list(table.index), colorscale=SEQUENTIAL, texttemplate="%{z}",
        showscale=False,
    )  # fmt: skip
    figure = finish(go.Figure(heat), title=title, x="found", y="constructed as", height=300)
    figure.update_yaxes(autorange="reversed")
    return figure


def damage_curves(frame: pd.DataFrame, metrics: Sequence[str], *, title: str = "") -> go.Figure:
    """Metrics (`metric`, `change`) by the `rate` of damage, a plot for each `kind` of it.

    `change` is the mean after over the mean before; of a difference that may be near 0, the difference to it.
    """
    frame = require(frame, "kind", "rate", "metric", "change")
    kinds = list(frame["kind"].unique())
    figure = make_subplots(rows=1, cols=len(kinds), shared_yaxes=True, subplot_titles=kinds, horizontal_spacing=0.02)
    for column, kind in enumerate(kinds, 1):
        for metric, tint in zip(metrics, SERIES, strict=False):
            own = frame[(frame["kind"] == kind) & (frame["metric"] == metric)].sort_values("rate")
            line = go.Scatter(
                x=own["rate"], y=own["change"], name=metric, legendgroup=metric, line_color=tint, showlegend=column == 1
            )
            figure.add_trace(line, row=1, col=column)
    finish(figure, title=title, height=360, legend=True)
    figure.update_layout(legend={"y": -0.3, "yanchor": "top", "x": 0, "xanchor": "left"}, margin={"b": 96, "t": 72})
    figure.update_yaxes(title_text="over the undamaged", row=1, col=1)
    figure.update_xaxes(title_text="rate")
    figure.update_annotations(font={"size": 12, "color": INK})
    return figure


def share_bars(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Shares of the text (`share_before`, `share_after`) by `type`, as two stacked bars."""
    frame = require(frame, "type", "share_before", "share_after")
    figure = go.Figure()
    for kind, own in frame.groupby("type", sort=False):
        shares = [float(own["share_after"].sum()), float(own["share_before"].sum())]
        figure.add_trace(
            go.Bar(
                x=shares, y=["after", "before"], name=str(kind), orientation="h",
                marker_color=COLOURS.get(str(kind), NEUTRAL), text=[f"{share:.1%}" for share in shares],
            )
        )  # fmt: skip
    finish(figure, title=title, height=190, legend=True)
    figure.update_layout(barmode="stack", xaxis_tickformat=".0%", xaxis_range=[0, 1])
    return figure
