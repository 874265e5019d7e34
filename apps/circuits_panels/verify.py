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
from apps.shell.exports import csv
from apps.shell.page import note
from interp.runs.errors import UserError

MOST = 20
_OUTCOME = "_outcome"
_METHOD = (
    "Predicted: traced contributions times the change. Held: a forward pass in which norms, patterns and later writes "
    "keep their values, so it must agree. Measured: everything later reacts."
)


def candidates(view: View, screen: Screen) -> tuple[list[str], list[str]]:
    """Nodes that can be scaled, and those chosen at first: the pinned ones, else the selected, else the strongest."""
    ids = view.nodes.loc[view.nodes["kind"].isin(["feature", "error", "embedding"]), "id"].tolist()
    pinned = [pin.node for pin in screen.pins if pin.node in ids]
    if pinned:
        return ids, pinned[:MOST]
    return ids, [screen.node] if screen.node is not None and screen.node in ids else ids[:1]


def show(lab: Lab, screen: Screen, circuit: Circuit, view: View) -> None:
    """Draw the panel."""
    sums, test = st.columns([1, 1.4], gap="large")
    with sums:
        st.markdown("**Does it add up?**")
        st.html(sums_bar(circuit.sums, value=circuit.value, residual=circuit.residual))
        note(f"Direct contributions to {screen.target_text}, traced in {circuit.seconds * 1000:.0f} ms.")
    with test:
        st.markdown("**Does it hold when nodes are removed?**")
        _ablation(lab, screen, view)


def _ablation(lab: Lab, screen: Screen, view: View) -> None:
    options, first = candidates(view, screen)
    labels = dict(zip(view.nodes["id"], view.nodes["label"].astype(str), strict=True))
    places = dict(zip(view.nodes["id"], view.nodes["move"], strict=True))
    with st.form("ablation"):
        nodes = st.multiselect(
            "Nodes (pinned ones first, if any are)",
            options,
            default=first,
            max_selections=MOST,
            key=f"ablate-{'-'.join(first)}",
            format_func=lambda node: f"{labels[node]} @{int(places[node])}",
        )
        factor = st.slider("Scale by (0 removes them)", -1.0, 2.0, 0.0, 0.25, key="factor")
        run = st.form_submit_button("Run the edited passes", icon=":material/play_arrow:")
    note(_METHOD)
    question = (screen.shown, screen.target_text, screen.set)
    if run and nodes:
        try:
            st.session_state[_OUTCOME] = (question, lab.ablate(*question, nodes, factor))
        except UserError as error:
            note(str(error))
    elif run:
        note("Choose at least one node.")
    asked, result = st.session_state.get(_OUTCOME, (None, None))
    if asked == question:
        _outcome(result, labels)


def _outcome(result: Ablation, labels: dict[str, str]) -> None:
    table = result.each.assign(node=[labels.get(node, "all of them together") for node in result.each["id"]])
    number = {
        name: st.column_config.NumberColumn(name.capitalize(), format="%+.3f") for name in ("predicted", "held", "measured")
    }
    shown = table[["node", "predicted", "held", "measured"]]
    st.dataframe(shown, key="outcome", hide_index=True, column_config={"node": "Node scaled", **number})
    st.download_button(
        "Outcome (CSV)", lambda: csv(table), "interventions.csv", "text/csv", key="get_outcome", on_click="ignore"
    )
    before, after = np.asarray(result.before), np.asarray(result.after)
    limit = float(max(before.max(), after.max()))
    boards = [(before, "Next move before"), (after, "after, together"), (after - before, "change")]
    st.html(board_row([heat_board(values, title=title, limit=limit) for values, title in boards], width=130))


def sums_frame(circuit: Circuit) -> pd.DataFrame:
    """The sums as `part`, `sum`, with residual and value at the end."""
    rows = [*circuit.sums.items(), ("residual", circuit.residual), ("value", circuit.value)]
    return pd.DataFrame(rows, columns=["part", "sum"])
