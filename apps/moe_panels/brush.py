"""Steps brushed over training: kept in the link, summed up in panel A, forgotten as another step is chosen."""

from __future__ import annotations

import re

import streamlit as st

from apps.moe_panels.traffic import Traffic

STEPS = "steps"
_TURN = "_brush"


def brush(steps: list[int]) -> None:
    """Look at these steps together; of fewer than two there is nothing to sum up, and the chart forgets its box."""
    if len(steps) > 1:
        st.query_params[STEPS] = f"{min(steps)}-{max(steps)}"
        return
    st.query_params.pop(STEPS, None)
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def forget() -> None:
    """Look at a single step again."""
    if STEPS in st.query_params:
        brush([])


def brushed(traffic: Traffic) -> tuple[int, int] | None:
    """First and last of the steps that the link names; None where it names none, or no two of these records."""
    asked = re.fullmatch(r"(-?\d{1,18})-(-?\d{1,18})", st.query_params.get(STEPS, ""))
    within = [step for step in traffic.records.steps if asked and int(asked[1]) <= step <= int(asked[2])]
    return (within[0], within[-1]) if len(within) > 1 else None


def chart_key() -> str:
    """Key of the chart to draw a box in; another one after `forget`, which is how a chart forgets what was drawn in it."""
    return f"brush-{st.session_state.get(_TURN, 0)}"
