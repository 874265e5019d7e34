"""Take it along: graph as JSON, tables as CSV, the game, a link, and the same trace as command and notebook cell.

The link graph's own picture (SVG, PNG) is saved by the buttons below it, in the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from apps.circuits_panels.connections import inputs_of, outputs_of
from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.link import link_params
from apps.circuits_panels.state import Screen
from apps.circuits_panels.verify import sums_frame
from apps.shell.exports import csv, to_json
from interp.othello.notation import format_moves


def command_of(screen: Screen) -> str:
    """The command line that traces the same target."""
    moves = format_moves(list(screen.shown))
    question = f'--moves "{moves}" --target {screen.target_text} --set {screen.set}'
    return f"interp circuits trace {question} --graph circuit.json"


def link_of(screen: Screen, page: str) -> str:
    """A link to this screen; `page` is the app's address."""
    return page.split("?")[0] + "?" + urlencode(link_params(screen))


def annotated(document: dict[str, Any], circuit: Circuit, screen: Screen) -> dict[str, Any]:
    """A Neuronpedia document with the screen's labels, pins and selection; named pins become supernodes of one."""
    labels = dict(zip(circuit.nodes["id"], circuit.nodes["label"].astype(str), strict=True))
    pins = [pin for pin in screen.pins if pin.node in labels]
    chosen = {
        "pinnedIds": [pin.node for pin in pins],
        "supernodes": [[pin.name, pin.node] for pin in pins if pin.name],
        "clickedId": screen.node or circuit.target,
    }
    nodes = [node | {"clerp": labels.get(node["node_id"], node["clerp"])} for node in document["nodes"]]
    return document | {"nodes": nodes, "qParams": document.get("qParams", {}) | chosen}


def show(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    """Draw the panel."""
    from interp.circuits.export import slug_of

    moves, target, chosen, node = screen.shown, screen.target_text, screen.set, screen.node or circuit.target
    files: dict[str, tuple[str, str, Callable[[], str]]] = {
        "Graph (JSON)": (
            "-graph.json",
            "application/json",
            lambda: to_json(annotated(lab.document(moves, target, chosen), circuit, screen)),
        ),
        "Nodes (CSV)": ("-nodes.csv", "text/csv", lambda: csv(circuit.nodes)),
        "Links (CSV)": ("-links.csv", "text/csv", lambda: csv(circuit.edges)),
        "Inputs of the selected (CSV)": ("-inputs.csv", "text/csv", lambda: csv(inputs_of(circuit, node))),
        "Outputs (CSV)": ("-outputs.csv", "text/csv", lambda: csv(outputs_of(circuit, node))),
        "Sums (CSV)": ("-sums.csv", "text/csv", lambda: csv(sums_frame(circuit))),
        "Game (text)": ("-game.txt", "text/plain", lambda: format_moves(list(screen.moves)) + "\n"),
    }
    if screen.target.kind == "attention":
        files["Pairs (CSV)"] = ("-pairs.csv", "text/csv", lambda: csv(lab.pairs(moves, target, chosen).pairs))
    name = slug_of(target)
    with st.container(horizontal=True, gap="small"):
        for label, (ending, mime, make) in files.items():
            key = "get" + ending.split(".")[0].replace("-", "_")
            st.download_button(label, make, name + ending, mime, key=key, on_click="ignore")
    command, cell = st.columns(2)
    command.caption("A link to this screen, pins and names included")
    command.code(link_of(screen, st.context.url or ""), language=None, wrap_lines=True)
    command.caption("The same on the command line")
    command.code(command_of(screen), language="bash", wrap_lines=True)
    cell.caption("The same in a notebook")
    cell.code(lab.notebook_cell(moves, target, chosen), language="python")
