"""Panel F: do the contributions add up, and does removing nodes change the target as they foretell?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Ablation, Circuit, Lab
from apps.circuits_panels.state import Screen
from apps.circuits_panels.view import View
from apps.shell.bars import sums_bar
from apps.shell.boards import board_row, heat_board
from apps.shell.page import note
from interp.runs.errors import UserError


def candidates(view: View, selected: str | None) -> list[str]:
    """Nodes that can be scaled, the most influential first; the selected one leads."""
    ids = view.nodes.loc[view.nodes["kind"].isin(["feature", "error"]), "id"].head(60).tolist()
    if selected is None or selected not in ids:
        return ids
    return [selected, *[node for node in ids if node != selected]]


def show(lab: Lab, screen: Screen, circuit: Circuit, view: View) -> None:
    """Draw the panel."""
    sums, test = st.columns([1, 1.25], gap="large")
    with sums:
        st.markdown("**Does it add up?**")
        st.html(sums_bar(circuit.sums, value=circuit.value, residual=circuit.residual))
        note(f"Direct contributions to {screen.target_text}, traced in {circuit.seconds * 1000:.0f} ms.")
    with test:
        st.markdown("**Does it hold when nodes are removed?**")
        _ablation(lab, screen, circuit, view)


def _ablation(lab: Lab, screen: Screen, circuit: Circuit, view: View) -> None:
    options = candidates(view, screen.node)
    labels = dict(zip(view.nodes["id"], view.nodes["label"].astype(str), strict=True))
    places = dict(zip(view.nodes["id"], view.nodes["move"], strict=True))
    with st.form("ablation"):
        nodes = st.multiselect(
            "Nodes",
            options,
            default=options[:1],
            max_selections=20,
            key=f"ablate-{screen.node}",
            format_func=lambda node: f"{labels[node]} @{int(places[node])}",
        )
        factor = st.slider("Scale by (0 removes them)", -1.0, 2.0, 0.0, 0.25, key="factor")
        run = st.form_submit_button("Run the edited pass", icon=":material/play_arrow:")
    if not run:
        note(
            "Predicted: traced contributions times the change. Measured: a real forward pass in which everything later "
            "reacts. They differ where later layers compensate."
        )
        return
    if not nodes:
        note("Choose at least one node.")
        return
    try:
        _outcome(lab.ablate(screen.shown, screen.target_text, screen.set, nodes, factor), circuit)
    except UserError as error:
        note(str(error))


def _outcome(result: Ablation, circuit: Circuit) -> None:
    predicted, measured, share = st.columns(3)
    predicted.metric("Predicted change", f"{result.predicted:+.3f}")
    measured.metric("Measured change", f"{result.measured:+.3f}")
    share.metric(
        "Of the value", f"{result.measured / circuit.value:+.0%}" if abs(circuit.value) > 1e-9 else "none"
    )
    change = np.asarray(result.after) - np.asarray(result.before)
    boards = [(result.before, "Next move before"), (result.after, "after"), (change, "change")]
    st.html(board_row([heat_board(values, title=title) for values, title in boards], width=130))


def sums_frame(circuit: Circuit) -> pd.DataFrame:
    """The sums as `part`, `sum` for the completeness figure and downloads."""
    return pd.DataFrame({"part": list(circuit.sums), "sum": list(circuit.sums.values())})
