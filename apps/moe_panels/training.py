"""Panel D: load over training; a click on a step looks at it."""

from __future__ import annotations

import streamlit as st

from apps.moe_panels.view import View, choose
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.moe import load_bands

_CHART = "bands"


def show(view: View) -> None:
    """Draw the bands."""
    frame = view.traffic.bands
    if len(frame) < 2:
        note("There is one step in these records, so nothing over training; `interp moe train --record-every 25` has more.")
        return
    selectable_chart(load_bands(frame, chosen=view.step), key=_CHART, on_select=_picked, modes=("points",))
    note(f"{len(frame)} steps, all layers; the dotted line is the step that is looked at. Click a point to look at another.")


def _picked() -> None:
    for point in st.session_state[_CHART]["selection"]["points"]:
        if (step := point.get("customdata")) is not None:
            choose(step=int(step[0] if isinstance(step, list | tuple) else step))
            return
