"""Panel B: experts by layer, coloured by their load; a click chooses one."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from apps.moe_panels.view import EXPERT, LAYER, View, choose
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.moe import expert_grid

_SORT, _CHART = "sort", "grid"
MOST_SQUARES = 8_000


def controls(view: View) -> None:
    """The choice of layer and expert as boxes, and the order of experts."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        layers = [str(layer) for layer in view.layers]
        st.selectbox("Layer", layers, layers.index(str(view.opening[0])), key=LAYER, width=110, bind="query-params")
        _, count = view.traffic.sizes(view.step, view.layer)
        st.selectbox(
            "Expert", [str(one) for one in range(count)], view.opening[1], key=EXPERT, width=110, bind="query-params"
        )
        st.toggle("Sort experts by load", key=_SORT, bind="query-params")


def figure(view: View) -> go.Figure:
    """The grid of the step."""
    return expert_grid(view.experts, by_load=bool(st.session_state.get(_SORT)), chosen=(view.layer, view.expert))


def show(view: View) -> None:
    """Draw the grid."""
    if len(view.experts) > MOST_SQUARES:
        note(f"{len(view.experts):,} squares are more than the {MOST_SQUARES:,} that are drawn; choose in the boxes above.")
        return
    selectable_chart(figure(view), key=_CHART, on_select=lambda: _picked(view), modes=("points",))
    own = view.experts.query("layer == @view.layer and expert == @view.expert").iloc[0]
    told = f"Layer {view.layer}, expert {view.expert}: {own['demand']:,.0f} asked, {own['utilisation']:.2f} of the mean load"
    note(f"{told}; {own['dropped']:,.0f} dropped. Click a square to look at it.")


def _picked(view: View) -> None:
    for point in st.session_state[_CHART]["selection"]["points"]:
        if (number := point.get("customdata")) is not None:
            row = view.experts.iloc[int(number[0] if isinstance(number, list | tuple) else number)]
            choose(layer=int(row["layer"]), expert=int(row["expert"]))
            return
