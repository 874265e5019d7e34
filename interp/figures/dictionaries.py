"""Dictionaries at a glance: sparsity against what is explained."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from interp.figures.lines import lines
from interp.figures.theme import finish, require


def pareto(frame: pd.DataFrame, *, title: str = "") -> go.Figure:
    """`explained_variance` against `l0`, a line a `family` (ReLU-L1, TopK, ...); `label` names a point."""
    require(frame, "l0", "explained_variance", "family", "label")
    hover = "%{text}: L0 %{x:.1f}, explained %{y:.3f}<extra></extra>"
    figure = lines(frame, "l0", "explained_variance", "family", text="label", hover=hover)
    finish(figure, title=title, x="active features (L0)", y="explained variance", legend=True)
    figure.update_xaxes(type="log")
    return figure
