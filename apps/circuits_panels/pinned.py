"""The pinned sub-graph: only the nodes that the reader keeps, the direct links among them, and their names."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.link_graph import draw, toggled
from apps.circuits_panels.link_panel import rows_of
from apps.circuits_panels.pins import MAX_NAME, Pin, renamed
from apps.circuits_panels.session import attempt, bind
from apps.circuits_panels.state import Screen
from apps.circuits_panels.view import View, layout
from apps.shell.page import note

_LEGEND = "Direct links only: what flows between two pinned nodes through others is not drawn."


def named(circuit: Circuit, pins: tuple[Pin, ...]) -> Circuit:
    """The circuit with the reader's names on pinned nodes."""
    names = {pin.node: pin.name for pin in pins if pin.name}
    labels = [names.get(node, label) for node, label in zip(circuit.nodes["id"], circuit.nodes["label"], strict=True)]
    return replace(circuit, nodes=circuit.nodes.assign(label=labels))


def subgraph(circuit: Circuit, pins: tuple[Pin, ...]) -> View:
    """The target, the pinned nodes that the circuit has, and the links among them."""
    kept = {circuit.target, *(pin.node for pin in pins)}
    nodes = circuit.nodes[circuit.nodes["id"].isin(kept)].reset_index(drop=True)
    edges = circuit.edges[circuit.edges["source"].isin(kept) & circuit.edges["target"].isin(kept)].reset_index(drop=True)
    sources = circuit.nodes["id"] != circuit.target
    total, held = (
        float(circuit.nodes.loc[rows, "influence"].sum()) for rows in (sources, sources & circuit.nodes["id"].isin(kept))
    )
    share = held / total if total > 0 else 0.0
    return View(
        nodes, edges, share, f"{len(nodes) - 1} pinned nodes hold {share:.1%} of influence, {len(edges)} direct links."
    )


def show(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    """Draw the panel."""
    if not screen.pins:
        note("Nothing is pinned yet. Shift-click a node in the graph, or select one and choose Pin.")
        return
    graph, names = st.columns([1.5, 1], gap="medium")
    with graph:
        view = subgraph(circuit, screen.pins)
        note(view.sentence)
        rows = [row for row in rows_of(lab, circuit) if row in set(view.nodes["row"])]
        data = layout(view, rows, screen.moves, width=640.0, height=0.0, across=1) | {"named": True}
        title = f"pinned circuit of {screen.target_text}"
        draw(data, key="pinned", screen=screen, goal=circuit.target, title=title, legend=_LEGEND)
    with names:
        known = circuit.nodes.set_index("id")
        for number, pin in enumerate(screen.pins):
            _row(number, pin, known)
        st.button("Unpin all", key="unpin_all", on_click=attempt, args=(lambda now: replace(now, pins=()),))


def _row(number: int, pin: Pin, known: pd.DataFrame) -> None:
    there = pin.node in known.index
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="bottom"):
        st.text_input(
            pin.node if there else f"{pin.node} (not in this circuit)",
            key=bind(f"name-{number}", pin.name),
            placeholder=str(known.loc[pin.node, "label"]) if there else "name",
            max_chars=MAX_NAME,
            on_change=_on_name,
            args=(number, pin.node),
        )
        st.button(
            "",
            icon=":material/keep_off:",
            key=f"unpin-{number}",
            help=f"Unpin {pin.node}",
            on_click=attempt,
            args=(partial(toggled, pin.node),),
        )


def _on_name(number: int, node: str) -> None:
    name = st.session_state[f"name-{number}"]
    attempt(lambda now: replace(now, pins=renamed(now.pins, node, name)))
