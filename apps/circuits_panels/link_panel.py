"""Panel B: the traced circuit as a link graph of write sites by moves, with its knobs; a click selects a node."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.link_graph import draw
from apps.circuits_panels.session import attempt, bind
from apps.circuits_panels.state import Screen
from apps.circuits_panels.view import MAX_EDGES, MAX_NODES, View, choose, layout
from apps.shell.page import note


def rows_of(lab: Lab, circuit: Circuit) -> list[str]:
    """Rows of the graph from bottom to top: sites above all nodes, which the target does not read, are left out."""
    bottom = ["bias"] if (circuit.nodes["row"] == "bias").any() else []
    read = [number for number, site in enumerate(lab.sites) if (circuit.nodes["row"] == site).any()]
    return [*bottom, "embed", *lab.sites[: max(read, default=-1) + 1], "target"]


def show(lab: Lab, screen: Screen, circuit: Circuit) -> View:
    """Draw the panel; returns what is drawn."""
    keep = [screen.node or circuit.target, *(pin.node for pin in screen.pins)]
    view = choose(circuit, nodes=screen.top_nodes, edges=screen.top_links, keep=keep)
    line, knob = st.columns([3.4, 1], vertical_alignment="center")
    with knob:
        _knobs(screen)
    with line:
        note(view.sentence)
    data = layout(view, rows_of(lab, circuit), screen.moves)
    draw(data, key="graph", screen=screen, goal=circuit.target, title=f"circuit of {screen.target_text}")
    return view


def _knobs(screen: Screen) -> None:
    """How many nodes and links to draw at most."""
    with st.popover("Nodes and links", icon=":material/tune:", width="stretch"):
        st.slider(
            "Most influential nodes", 5, MAX_NODES, key=bind("top_nodes", screen.top_nodes), step=5, on_change=_on_knob
        )
        st.slider(
            "Most influential links", 10, MAX_EDGES, key=bind("top_links", screen.top_links), step=10, on_change=_on_knob
        )


def _on_knob() -> None:
    state = st.session_state
    attempt(lambda now: replace(now, top_nodes=state["top_nodes"], top_links=state["top_links"]))
