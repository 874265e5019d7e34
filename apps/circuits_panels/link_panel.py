"""Panel B: the traced circuit as a link graph of write sites by moves, with its filter; a click selects a node."""

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
    view = choose(circuit, nodes=screen.top_nodes, edges=screen.top_links, densest=screen.densest / 100, keep=keep)
    _filter(screen, circuit)
    note(view.sentence)
    data = layout(view, rows_of(lab, circuit), screen.moves)
    draw(data, key="graph", screen=screen, goal=circuit.target, title=f"circuit of {screen.target_text}")
    return view


def _filter(screen: Screen, circuit: Circuit) -> None:
    """How many nodes and links to draw at most, and how rarely active features must be."""
    nodes, links, density = st.columns(3, gap="medium")
    nodes.slider("Most nodes", 5, MAX_NODES, key=bind("top_nodes", screen.top_nodes), step=5, on_change=_on_filter)
    links.slider("Most links", 10, MAX_EDGES, key=bind("top_links", screen.top_links), step=10, on_change=_on_filter)
    density.slider(
        "Active at up to (% of positions)",
        1,
        100,
        key=bind("densest", screen.densest),
        on_change=_on_filter,
        disabled=bool(circuit.nodes["density"].isna().all()),
        help="By the feature cards. Features that are on nearly everywhere say little of this position.",
    )


def _on_filter() -> None:
    state = st.session_state
    attempt(lambda now: replace(now, **{name: state[name] for name in ("top_nodes", "top_links", "densest")}))
