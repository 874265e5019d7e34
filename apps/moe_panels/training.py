"""Panel D: load over training; a click on a step looks at it, a box drawn over several sums them up in panel A."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from apps.moe_panels.brush import brush, chart_key, forget
from apps.moe_panels.view import View, choose
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.moe import load_bands

_PICK, _ONE, _SEVERAL = "pick", "One step", "Several steps"
_CHART = "bands"


def show(view: View) -> None:
    """Draw the bands."""
    frame = view.traffic.bands
    if len(frame) < 2:
        note("There is one step in these records, so nothing over training; `interp moe train --record-every 25` has more.")
        return
    pick = st.segmented_control("Look at", [_ONE, _SEVERAL], default=_ONE, key=_PICK, required=True, bind="query-params")
    figure, told = load_bands(frame, chosen=view.step, brushed=view.brushed), f"{len(frame)} steps, all layers; "
    if pick == _SEVERAL:  # a chart of its own, as one that takes boxes takes no clicks
        figure.update_layout(selectdirection="h")
        selectable_chart(figure, key=chart_key(), on_select=lambda: _boxed(view), modes=("box",))
        note(f"{told}draw a box over some: the numbers on top, the table by layer and the domains are then of these.")
        return
    selectable_chart(figure, key=_CHART, on_select=_clicked, modes=("points",))
    note(f"{told}the dotted line is the step that is looked at. Click a point to look at another.")


def within_boxes(boxes: Sequence[Mapping[str, Any]], steps: list[int]) -> list[int]:
    """Steps in the box that was drawn last, whose edges come in the order in which they were drawn."""
    if not boxes:
        return []
    low, high = sorted(float(edge) for edge in boxes[-1]["x"])
    return [step for step in steps if low <= step <= high]


def _boxed(view: View) -> None:
    within = within_boxes(st.session_state[chart_key()]["selection"]["box"], view.traffic.records.steps)
    if len(within) == 1:
        choose(step=within[0])
    brush(within)


def _clicked() -> None:
    for point in st.session_state[_CHART]["selection"]["points"]:
        if (step := point.get("customdata")) is not None:
            choose(step=int(step[0] if isinstance(step, list | tuple) else step))
            return
    forget()
