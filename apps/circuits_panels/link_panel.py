"""Panel B: the traced circuit as a link graph of write sites by moves, with its knobs; a click selects a node."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.session import attempt
from apps.circuits_panels.state import Screen
from apps.circuits_panels.view import MAX_EDGES, MAX_NODES, View, choose, layout
from apps.shell.page import note

_FILES = Path(__file__).parent
_graph = st.components.v2.component(
    "interp_link_graph",
    html='<div class="link-graph"><div class="scroll"></div><div class="tip" hidden></div></div>',
    css=(_FILES / "link_graph.css").read_text(),
    js=(_FILES / "link_graph.js").read_text(),
)
LEGEND = "● feature  ◆ error  ■ bias  ▲ embedding · blue raises, orange lowers the target · size: share of influence"


def knobs() -> tuple[int, int]:
    """How many nodes and links to draw at most."""
    with st.popover("Nodes and links", icon=":material/tune:"):
        nodes = st.slider("Most influential nodes", 5, MAX_NODES, 60, step=5, key="top_nodes")
        edges = st.slider("Strongest links", 10, MAX_EDGES, 200, step=10, key="top_edges")
    return nodes, edges


def show(lab: Lab, screen: Screen, circuit: Circuit) -> View:
    """Draw the panel; returns what is drawn."""
    line, knob = st.columns([3.4, 1], vertical_alignment="center")
    with knob:
        nodes, edges = knobs()
    view = choose(circuit, nodes=nodes, edges=edges, keep=screen.node)
    with line:
        note(view.sentence)
    rows = ["embed", *lab.sites, "target"]
    if (circuit.nodes["row"] == "bias").any():
        rows.insert(0, "bias")
    data = layout(view, rows, screen.moves)
    data |= {"selected": screen.node or circuit.target, "title": f"circuit of {screen.target_text}"}
    _graph(key="graph", data=data, on_picked_change=_on_picked)
    note(LEGEND)
    return view


def _on_picked() -> None:
    if (node := st.session_state["graph"].get("picked")) is not None:
        attempt(lambda now: replace(now, node=node))
