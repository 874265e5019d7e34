"""A value for each square of the board, as a heat map in the usual orientation: a1 at the upper left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from interp.figures.theme import DIVERGING, SEQUENTIAL, finish, require, symmetric_limit
from interp.othello.notation import square_name

_COLUMNS, _ROWS = list("abcdefgh"), [str(row) for row in range(1, 9)]


def board_heat_map(
    frame: pd.DataFrame, *, title: str = "", signed: bool = True, unit: str = "", height: int = 340
) -> go.Figure:
    """Heat map of `value` by `square` (0..63); squares without a row stay blank.

    A column `mark` puts a short text on a square. `signed` diverges at zero, otherwise the scale starts there.
    """
    require(frame, "square", "value")
    values = np.full(64, np.nan)
    values[frame["square"].to_numpy()] = frame["value"].to_numpy(dtype=float)
    marks = np.full(64, "", dtype=object)
    if "mark" in frame.columns:
        marks[frame["square"].to_numpy()] = frame["mark"].astype(str).to_numpy()
    names = np.array([square_name(square) for square in range(64)])
    limit = symmetric_limit(values.tolist())
    heat = go.Heatmap(
        z=values.reshape(8, 8),
        x=_COLUMNS,
        y=_ROWS,
        text=marks.reshape(8, 8),
        texttemplate="%{text}",
        customdata=names.reshape(8, 8),
        hovertemplate="%{customdata}: %{z:.3g}" + (f" {unit}" if unit else "") + "<extra></extra>",
        colorscale=DIVERGING if signed else SEQUENTIAL,
        zmin=-limit if signed else 0.0,
        zmax=limit,
        xgap=1,
        ygap=1,
        colorbar={"thickness": 10, "title": {"text": unit}},
    )
    figure = finish(go.Figure(heat), title=title, height=height)
    figure.update_xaxes(side="top", showgrid=False, fixedrange=True, constrain="domain")
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, scaleanchor="x", constrain="domain")
    return figure
