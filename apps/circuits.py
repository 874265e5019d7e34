"""Circuits of the Othello transformer: play a game, pick what the model computes, see which features make it.

Run with `make app`. The page reads the shipped model, dictionaries and feature cards, and traces while you click.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from apps.circuits_panels import (
    attention,
    board,
    compare,
    connections,
    export,
    feature_card,
    link_panel,
    target,
    verify,
)
from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.opening import open_lab
from apps.circuits_panels.session import attempt, bind, current, start, traced, write_link
from apps.circuits_panels.state import PANELS, Screen
from apps.circuits_panels.view import View
from apps.shell.page import begin, note, report, show_problems, title_line
from interp.runs.errors import UserError


def main() -> None:
    """The whole page."""
    begin("Circuits of an Othello transformer")
    try:
        lab = open_lab()
    except UserError as error:
        report(f"{error}.")
        show_problems()
        return
    screen = start(lab)
    screen, circuit = _trace(lab, screen)
    badges = [f"{screen.target_text}" if circuit else "no target yet", f"set {target.set_name(screen.set)}"]
    title_line("Circuits", "which features of which moves make the Othello transformer decide", badges)
    show_problems()
    if lab.notice:
        note(lab.notice)
    left, right = st.columns([1, 2.75], gap="medium")
    with left:
        board.show(lab, screen)
    with right:
        view = _upper(lab, screen, circuit)
    if circuit is not None and view is not None:
        _lower(lab, screen, circuit, view)
    write_link(current())


def _trace(lab: Lab, screen: Screen) -> tuple[Screen, Circuit | None]:
    """The circuit of the screen's target, and the screen without a node that the circuit lacks."""
    if not screen.ply:
        return screen, None
    try:
        circuit = traced(lab, screen.shown, screen.target_text, screen.set)
    except UserError as error:
        report(f"{error}.")
        return screen, None
    if screen.node is not None and screen.node not in set(circuit.nodes["id"]):
        report(f"Node '{screen.node[:60]}' ignored: this circuit has no such node.")
        screen = replace(screen, node=None)
        attempt(lambda _: screen)
    return screen, circuit


def _upper(lab: Lab, screen: Screen, circuit: Circuit | None) -> View | None:
    if not screen.ply:
        note(
            "Play a first move on the board, or choose a game below it: "
            "the model sees moves, so it needs one to start from."
        )
        return None
    target.show(lab, screen)
    return link_panel.show(lab, screen, circuit) if circuit is not None else None


def _lower(lab: Lab, screen: Screen, circuit: Circuit, view: View) -> None:
    tables, card = st.columns([1, 1.25], gap="medium")
    with tables:
        connections.show(lab, screen, circuit)
    with card:
        feature_card.show(lab, screen, circuit)
    panel = st.segmented_control(
        "Panel",
        PANELS,
        key=bind("panel", screen.panel),
        required=True,
        on_change=_on_panel,
        label_visibility="collapsed",
    )
    if panel == "Verify":
        verify.show(lab, screen, circuit, view)
    elif panel == "Attention":
        attention.show(lab, screen, circuit)
    elif panel == "Compare":
        compare.show(lab, screen)
    else:
        export.show(lab, screen, circuit, lab.notebook_cell(screen.shown, screen.target_text, screen.set))


def _on_panel() -> None:
    attempt(lambda now: replace(now, panel=st.session_state["panel"]))


if __name__ == "__main__":
    main()
