"""A traced circuit as a static link graph: rows are write sites from the embedding up to the target, columns are moves.

Places follow from (row, move, rank in the cell) alone, so nothing jumps between two drawings. Edges are binned by
strength and sign into a few line traces, which keeps 2,000 of them light.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from interp.figures.theme import GRID, INK, NEGATIVE, POSITIVE, finish, require, sign_colours

_SYMBOLS = {
    "feature": "circle",
    "error": "diamond",
    "bias": "square",
    "embedding": "triangle-up",
    "target": "star",
}
_BINS = 4


def place_nodes(nodes: pd.DataFrame, rows: Sequence[str]) -> pd.DataFrame:
    """`nodes` (id, row, move, weight) with `x`, `y` added: in a cell the heaviest comes first, five side by side."""
    require(nodes, "id", "row", "move", "weight")
    order = {row: height for height, row in enumerate(rows)}
    placed = nodes.assign(size=nodes["weight"].abs()).sort_values("size", ascending=False, kind="stable")
    rank = placed.groupby(["row", "move"]).cumcount()
    count = placed.groupby(["row", "move"])["id"].transform("count")
    across = count.clip(upper=5)
    columns = {move: column for column, move in enumerate(sorted(placed["move"].unique()))}
    placed["x"] = placed["move"].map(columns) + (rank % 5 - (across - 1) / 2) * 0.16
    placed["y"] = placed["row"].map(order) + (rank // 5) * 0.22
    return placed


def link_graph(nodes: pd.DataFrame, edges: pd.DataFrame, rows: Sequence[str], *, title: str = "") -> go.Figure:
    """Draw `nodes` (id, kind, row, move, weight, label) and `edges` (source, target, weight).

    `rows` names the rows from bottom to top, `move` counts from 1 (0: no move). Node area goes with |weight|, colour
    with its sign, shape with the kind. Edges to nodes that are not drawn are left out.
    """
    require(nodes, "id", "kind", "row", "move", "weight", "label")
    placed = place_nodes(nodes, rows)
    figure = go.Figure(_edge_traces(placed, require(edges, "source", "target", "weight")))
    largest = max(placed["size"].max(), 1e-9) if len(placed) else 1.0
    for kind, group in placed.groupby("kind", sort=False):
        figure.add_trace(
            go.Scatter(
                x=group["x"],
                y=group["y"],
                mode="markers",
                name=str(kind),
                customdata=group["id"],
                text=group["label"],
                hovertemplate="%{text}<extra></extra>",
                marker={
                    "symbol": _SYMBOLS.get(str(kind), "circle"),
                    "size": 6 + 16 * np.sqrt(group["size"] / largest),
                    "color": sign_colours(group["weight"].tolist()),
                    "line": {"width": 1, "color": "white"},
                },
            )
        )
    finish(figure, title=title, x="move", height=max(380, 34 * len(rows)), legend=True)
    moves = sorted(placed["move"].unique())
    names = ["-" if move == 0 else str(move) for move in moves]
    figure.update_xaxes(tickvals=list(range(len(moves))), ticktext=names, showgrid=False, zeroline=False)
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=list(rows), gridcolor=GRID, zeroline=False)
    return figure


def _edge_traces(placed: pd.DataFrame, edges: pd.DataFrame) -> list[go.Scatter]:
    """One line trace for each sign and strength bin; a gap (None) parts the segments."""
    x, y = (
        dict(zip(placed["id"], placed["x"], strict=True)),
        dict(zip(placed["id"], placed["y"], strict=True)),
    )
    drawn = edges[edges["source"].isin(list(x)) & edges["target"].isin(list(x))]
    if drawn.empty:
        return []
    strength = drawn["weight"].abs() / drawn["weight"].abs().max()
    bins = np.minimum((np.sqrt(strength) * _BINS).astype(int), _BINS - 1)
    traces = []
    for (level, raises), group in drawn.groupby([bins, drawn["weight"] >= 0]):
        xs = [value for row in group.itertuples() for value in (x[row.source], x[row.target], None)]
        ys = [value for row in group.itertuples() for value in (y[row.source], y[row.target], None)]
        line = {"color": POSITIVE if raises else NEGATIVE, "width": 0.6 + 0.9 * level}
        traces.append(
            go.Scatter(
                x=xs,
                y=ys,
                mode="lines",
                line=line,
                opacity=0.2 + 0.18 * level,
                hoverinfo="skip",
                showlegend=False,
            )
        )
    return traces


def contributions_bar(frame: pd.DataFrame, *, title: str = "", top: int = 20) -> go.Figure:
    """Signed bars of the `top` rows of `frame` (label, contribution) by size, the largest uppermost."""
    require(frame, "label", "contribution")
    ranked = frame.reindex(frame["contribution"].abs().sort_values(ascending=False).index).head(top)
    bar = go.Bar(
        x=ranked["contribution"],
        y=ranked["label"].astype(str),
        orientation="h",
        marker_color=sign_colours(ranked["contribution"].tolist()),
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure = finish(go.Figure(bar), title=title, x="contribution", height=90 + 22 * max(len(ranked), 3))
    figure.update_yaxes(autorange="reversed", tickfont={"color": INK})
    return figure
