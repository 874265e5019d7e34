"""The screen of this browser session: opened from the link, changed by callbacks, written back to the link.

The `Screen` is the one truth. Before each control is drawn its widget state is set from the screen (`bind`), and its
callback changes the screen, so a click on a drawing and a control can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab, Reading
from apps.circuits_panels.link import link_params, open_link
from apps.circuits_panels.presets import presets
from apps.circuits_panels.state import Screen, walked
from apps.shell.page import report
from interp.runs.errors import UserError

_SCREEN, _TRAIL = "_screen", "_trail"


def start(lab: Lab) -> Screen:
    """The session's screen; at first the one that the link describes."""
    if _SCREEN not in st.session_state:
        params = {name: st.query_params[name] for name in st.query_params}
        opening = presets()[0].screen
        installed = opening.set if opening.set in lab.sets else lab.sets[0]
        screen, problems = open_link(params, replace(opening, set=installed), lab.sets)
        for problem in problems:
            report(problem)
        st.session_state[_SCREEN] = screen
    return st.session_state[_SCREEN]


def current() -> Screen:
    """The session's screen."""
    return st.session_state[_SCREEN]


def attempt(step: Callable[[Screen], Screen]) -> None:
    """Change the screen; a user's mistake is reported and changes nothing."""
    try:
        st.session_state[_SCREEN] = step(current())
    except UserError as error:
        message = str(error)
        report(message[0].upper() + message[1:] + ".")


def bind(key: str, value: Any) -> str:
    """Give a control the screen's value before it is drawn; returns its key."""
    st.session_state[key] = value
    return key


def trail(screen: Screen, target: str) -> tuple[str, ...]:
    """Nodes walked through in this circuit, from its target's node to the selected one."""
    question = (screen.shown, screen.target_text, screen.set)
    asked, nodes = st.session_state.get(_TRAIL, (None, ()))
    nodes = walked(nodes if asked == question else (target,), screen.node or target)
    st.session_state[_TRAIL] = question, nodes
    return nodes


def write_link(screen: Screen) -> None:
    """Keep the address bar equal to the screen."""
    params = link_params(screen)
    if {name: st.query_params[name] for name in st.query_params} != params:
        st.query_params.from_dict(params)


@st.cache_resource(max_entries=64, show_spinner=False)
def traced(_lab: Lab, moves: tuple[int, ...], target: str, set_name: str) -> Circuit:
    """The circuit, traced once for all sessions; never changed by its users."""
    return _lab.trace(moves, target, set_name)


@st.cache_resource(max_entries=256, show_spinner=False)
def reading(_lab: Lab, moves: tuple[int, ...]) -> Reading:
    """The model's view of a position, computed once for all sessions."""
    return _lab.read(moves)
