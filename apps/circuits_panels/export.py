"""Take it along: graph as JSON, tables as CSV, the game, a link, and the same trace as command and notebook cell."""

from __future__ import annotations

import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.state import Screen, link_params
from apps.shell.exports import csv, to_json
from interp.othello.notation import format_moves


def command_of(screen: Screen) -> str:
    """The command line that traces the same target."""
    moves = format_moves(list(screen.shown))
    question = f'--moves "{moves}" --target {screen.target_text} --set {screen.set}'
    return f"interp circuits trace {question} --graph circuit.json"


def link_of(screen: Screen) -> str:
    """The query part of a link to this screen."""
    from urllib.parse import urlencode

    return "?" + urlencode(link_params(screen))


def show(lab: Lab, screen: Screen, circuit: Circuit, notebook: str) -> None:
    """Draw the panel; `notebook` is the notebook cell that traces the same target."""
    name = screen.target_text.replace(":", "-").replace("/", "-").replace("@", "-at-")
    moves, target, chosen = screen.shown, screen.target_text, screen.set
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Graph (JSON)",
            lambda: to_json(lab.document(moves, target, chosen)),
            f"{name}.json",
            "application/json",
            key="get_graph",
            on_click="ignore",
        )
        st.download_button(
            "Nodes (CSV)",
            lambda: csv(circuit.nodes),
            f"{name}-nodes.csv",
            "text/csv",
            key="get_nodes",
            on_click="ignore",
        )
        st.download_button(
            "Links (CSV)",
            lambda: csv(circuit.edges),
            f"{name}-links.csv",
            "text/csv",
            key="get_links",
            on_click="ignore",
        )
        st.download_button(
            "Game (text)",
            format_moves(list(screen.moves)),
            "game.txt",
            "text/plain",
            key="get_game",
            on_click="ignore",
        )
    command, cell = st.columns(2)
    command.caption("The same on the command line, and a link to this screen")
    command.code(command_of(screen), language="bash", wrap_lines=True)
    command.code(link_of(screen), language=None, wrap_lines=True)
    cell.caption("The same in a notebook")
    cell.code(notebook, language="python")
