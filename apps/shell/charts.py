"""Plotly figures in an app: the library's figure on the page's own ground, so that dark themes stay dark."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st


def chart(figure: go.Figure, *, key: str) -> None:
    """Show a figure of `interp.figures`."""
    figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": None})
    figure.update_xaxes(gridcolor=None, tickfont={"color": None})
    figure.update_yaxes(gridcolor=None, tickfont={"color": None})
    st.plotly_chart(figure, key=key, width="stretch", config={"displaylogo": False, "displayModeBar": False})
