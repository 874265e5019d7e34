"""Curves of a run, and what probes read layer by layer."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.lines import lines
from interp.figures.theme import finish, require


def training_curves(frame: pd.DataFrame, *, title: str = "", log_y: bool = False) -> go.Figure:
    """`value` against `step`, a line a `metric`."""
    figure = lines(require(frame, "step", "value", "metric"), "step", "value", "metric", mode="lines")
    finish(figure, title=title, x="step", legend=True)
    if log_y:
        figure.update_yaxes(type="log")
    return figure


def probe_accuracy(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """Accuracy (`accuracy`, 0..1) of board probes by `layer`, a line a `probe` (trained, random weights, majority).

    Columns `low` and `high`, if there, are drawn as error bars.
    """
    figure = lines(require(frame, "layer", "accuracy", "probe"), "layer", "accuracy", "probe", mode="lines+markers")
    finish(figure, title=title, x="after layer", y="squares read correctly", legend=True)
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(dtick=1)
    return figure


def legality_by_ply(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """`legal_top1` and `legal_mass` (0..1) against `ply`."""
    names = {"legal_top1": "first choice legal", "legal_mass": "probability on legal moves"}
    long = require(frame, "ply", *names).melt("ply", list(names), "measure", "share").replace({"measure": names})
    figure = lines(long, "ply", "share", "measure", mode="lines")
    finish(figure, title=title, x="after move", y="share", legend=True, height=300)
    figure.update_yaxes(tickformat=".0%")
    return figure
