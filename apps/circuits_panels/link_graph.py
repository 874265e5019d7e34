"""The link graph as a component: plain SVG drawn by a script of ours, clicks and pictures to save included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from apps.circuits_panels.pins import pinned, unpinned
from apps.circuits_panels.session import attempt
from apps.circuits_panels.state import Screen
from apps.shell.charts import SVG

_FILES = Path(__file__).parent
_graph = st.components.v2.component(
    "interp_link_graph",
    html='<div class="link-graph"><div class="scroll"></div><div class="foot"><span class="legend"></span>'
    '<span class="tools">Save <button data-kind="svg">SVG</button><button data-kind="png">PNG</button></span></div>'
    '<div class="tip" hidden></div></div>',
    css=(_FILES / "link_graph.css").read_text(),
    js="\n".join(path.read_text() for path in (SVG, _FILES / "link_graph.js", _FILES / "picture.js")),
)
LEGEND = "● feature  ◆ error  ■ bias  ▲ embedding · blue raises, orange lowers the target · size: share of influence"


def draw(data: dict[str, Any], *, key: str, screen: Screen, goal: str, title: str, legend: str = LEGEND) -> None:
    """Draw what `view.layout` placed; `goal` is the target's node. A click selects a node, with Shift it pins or unpins."""
    extra = {
        "goal": goal,
        "selected": screen.node or goal,
        "pins": [pin.node for pin in screen.pins],
        "title": title,
        "legend": legend,
    }
    _graph(
        key=key,
        data=data | extra,
        on_picked_change=_with_node(key, "picked", lambda node, now: replace(now, node=node)),
        on_pinned_change=_with_node(key, "pinned", toggled),
    )


def toggled(node: str, screen: Screen) -> Screen:
    """The screen with a node pinned, or unpinned if it was."""
    change = unpinned if node in [pin.node for pin in screen.pins] else pinned
    return replace(screen, pins=change(screen.pins, node))


def _with_node(key: str, trigger: str, step: Callable[[str, Screen], Screen]) -> Callable[[], None]:
    def act() -> None:
        if (node := st.session_state[key].get(trigger)) is not None:
            attempt(lambda now: step(node, now))

    return act
