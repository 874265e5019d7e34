"""The page: numbers first, then tokens, which are text; charts last, as they are the heaviest."""

from __future__ import annotations

import streamlit as st

from apps.moe_panels import bars, exports, grid, opening, overview, tokens, training, what_if
from apps.moe_panels.brush import STEPS
from apps.moe_panels.traffic import Traffic
from apps.moe_panels.view import EXPERT, LAYER, POSITION, RUN, STEP, TEXT, told, view
from apps.shell.page import begin, note, opened, show_problems, title_line


def main() -> None:
    """The whole page."""
    begin("Mixtures of experts")
    title = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    problems = st.container()
    traffic = _open()
    with title:
        title_line("Mixtures of experts", "what was asked for, dropped, padded and repaired", _badges(traffic))
        _run_box()
    with problems:
        show_problems()
    if traffic is not None:
        _panels(traffic)
        with problems:
            show_problems()


def _open() -> Traffic | None:
    """The records that were asked for, or else, with a sentence about why, the shipped ones."""
    return opened(_asked, opening.open_traffic)


def _asked() -> str:
    return st.session_state.get(RUN, st.query_params.get(RUN)) or opening.asked_run()


def _badges(traffic: Traffic | None) -> list[str]:
    if traffic is None:
        return ["no run"]
    records = traffic.records
    step, layer = records.passes.index[-1]
    ranks, experts = traffic.sizes(step, layer)
    facts = [
        traffic.name,
        f"{len(records.layers)} layers",
        f"{experts} experts on {ranks} ranks",
        told(traffic.rules(step, layer)),
    ]
    if model := records.manifest.get("config", {}).get("model"):
        facts.insert(1, str(model))
    return facts


def _panels(traffic: Traffic) -> None:
    overview.step_slider(traffic)
    seen = view(traffic)
    overview.show(seen)
    sums = st.container()
    left, right = st.columns([1, 1.15], gap="medium")
    with left:
        grid.controls(seen)
        squares = st.container()
        overview.show_layers(seen)
    with right:
        bars.controls(seen)
        stacks = st.container()
    st.markdown("**Tokens**")
    tokens.show(seen)
    with sums:
        overview.show_sums(seen)
    with squares:
        grid.show(seen)
    with stacks:
        bars.show(seen)
    st.markdown("**Under other rules**")
    what_if.show(seen)
    st.markdown("**Over training**")
    training.show(seen)
    exports.show(seen)


def _run_box() -> None:
    with st.popover("Open records", icon=":material/folder_open:"):
        st.text_input(
            "Folder of `interp moe train` or `interp moe record`, or a file of routes; empty for the shipped records",
            key=RUN,
            on_change=_forget,
            placeholder="runs/mine",
            bind="query-params",
            max_chars=1000,
        )
        note("`interp moe record MODEL --text FILE --out runs/mine` makes such a folder for your own model.")


def _forget() -> None:
    """Other records have other steps, layers and texts."""
    for name in (STEP, STEPS, LAYER, EXPERT, TEXT, POSITION):
        st.session_state.pop(name, None)
        st.query_params.pop(name, None)
