"""The page: board and games at the left, target and link graph at the right, tables, card and panels below."""

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
    games,
    link_panel,
    opening,
    pinned,
    target,
    verify,
)
from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.session import attempt, bind, current, start, traced, write_link
from apps.circuits_panels.state import PANELS, Screen
from apps.circuits_panels.view import View
from apps.shell.page import begin, note, report, show_problems, title_line
from interp.runs.errors import UserError


def main() -> None:
    """The whole page."""
    begin("Circuits of an Othello transformer")
    try:
        lab = opening.open_lab()
    except UserError as error:
        report(f"{error}.")
        show_problems()
        return
    screen = start(lab)
    title_line("Circuits", "which features of which moves make the Othello transformer decide", _badges(screen))
    problems = st.container()
    left, right = st.columns([1, 2.75], gap="medium")
    with left:
        board.show(lab, screen)
        games.show(lab, screen)
    screen, circuit = _trace(lab, screen)
    with right:
        view = _upper(lab, screen, circuit)
    if circuit is not None and view is not None:
        _lower(lab, screen, circuit, view)
    with problems:
        show_problems()
        if lab.notice:
            note(lab.notice)
    write_link(current())


def _badges(screen: Screen) -> list[str]:
    return [screen.target_text if screen.ply else "no target yet", f"set {target.set_name(screen.set)}"]


def _trace(lab: Lab, screen: Screen) -> tuple[Screen, Circuit | None]:
    """The circuit of the screen's target, and the screen without a node that the circuit lacks."""
    if not screen.ply:
        return screen, None
    try:
        circuit = pinned.named(traced(lab, screen.shown, screen.target_text, screen.set), screen.pins)
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
            "Play a first move on the board, or choose a game below it: the model sees moves, so it needs one to start from."
        )
        return None
    target.show(lab, screen)
    if circuit is None:
        return None
    if screen.target.kind == "feature" and circuit.value <= 0:
        note(f"This feature is off here: before the activation it stands at {circuit.value:+.3f}, and the circuit says why.")
    return link_panel.show(lab, screen, circuit)


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
    elif panel == "Pinned":
        pinned.show(lab, screen, circuit)
    elif panel == "Attention":
        attention.show(lab, screen, circuit)
    elif panel == "Compare":
        compare.show(lab, screen)
    else:
        export.show(lab, screen, circuit)


def _on_panel() -> None:
    attempt(lambda now: replace(now, panel=st.session_state["panel"]))
