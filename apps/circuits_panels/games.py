"""Which game is looked at: the shipped ones, a game as text, or a file with a game or a saved circuit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import streamlit as st

from apps.circuits_panels.files import open_file
from apps.circuits_panels.lab import Lab
from apps.circuits_panels.presets import presets
from apps.circuits_panels.session import attempt, bind, current, traced
from apps.circuits_panels.state import Screen, load_game
from apps.shell.page import note, report
from interp.othello.notation import format_moves
from interp.runs.errors import UserError


def show(lab: Lab, screen: Screen) -> None:
    """Draw the shipped games, and the rest behind an expander."""
    shown = next((preset for preset in presets() if preset.screen.moves == screen.moves), None)
    st.selectbox(
        "Games with a circuit",
        [preset.name for preset in presets()],
        index=None,
        key=bind("preset", shown.name if shown and shown.screen.target_text == screen.target_text else None),
        on_change=_on_preset,
        args=(lab,),
        placeholder="Games with a circuit",
        label_visibility="collapsed",
    )
    if shown and shown.about and shown.screen.target_text == screen.target_text:
        note(shown.about)
    with st.expander("Game as text, or from a file"):
        st.text_area(
            "Moves",
            key=bind("moves", format_moves(list(screen.moves))),
            on_change=_on_moves,
            height=90,
            help="Such as f5 d6 c3; black moves first.",
            max_chars=400,
        )
        st.file_uploader(
            "A game (text), or a circuit saved here (JSON)",
            type=["txt", "json"],
            key="file",
            on_change=_on_file,
            args=(lab,),
            max_upload_size=5,
        )


def _open_preset(lab: Lab, screen: Screen, now: Screen) -> Screen:
    return replace(screen, set=screen.set if screen.set in lab.sets else now.set)


def _on_preset(lab: Lab) -> None:
    for preset in presets():
        if preset.name == st.session_state["preset"]:
            attempt(partial(_open_preset, lab, preset.screen))


def _on_moves() -> None:
    attempt(lambda now: load_game(now, st.session_state["moves"]))


def _on_file(lab: Lab) -> None:
    if (file := st.session_state["file"]) is None:
        return
    values: list[float | None] = []

    def opened(now: Screen) -> Screen:
        screen, value = open_file(file.name, file.getvalue(), now, lab.sets)
        values.append(value)
        return screen

    attempt(opened)
    if values and values[0] is not None:
        _compare(lab, current(), values[0], file.name)


def _compare(lab: Lab, screen: Screen, stored: float, name: str) -> None:
    """Say so if the installed model gives the file's target another value."""
    try:
        value = traced(lab, screen.shown, screen.target_text, screen.set).value
    except UserError:
        return  # the page will say it
    if abs(value - stored) > 1e-3 * max(1.0, abs(stored)):
        report(f"{name} was traced on another model: there {screen.target_text} is {stored:+.3f}, here {value:+.3f}.")
