"""Panel C: the way walked to the selected node, what flows into it and out of it; choosing a row walks on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.link_graph import toggled
from apps.circuits_panels.session import attempt, bind, trail
from apps.circuits_panels.state import Screen, trace_from
from apps.shell.page import note, plain
from interp.runs.errors import UserError


def outputs_of(circuit: Circuit, node: str) -> pd.DataFrame:
    """Nodes that the traced links lead to from `node`: `id`, `label`, `place`, `weight`, `share` (of |weights|)."""
    return _linked(circuit, circuit.edges[circuit.edges["source"] == node], "target")


def inputs_of(circuit: Circuit, node: str) -> pd.DataFrame:
    """Nodes from which traced links lead to `node`; columns as of `outputs_of`."""
    return _linked(circuit, circuit.edges[circuit.edges["target"] == node], "source")


def _linked(circuit: Circuit, edges: pd.DataFrame, end: str) -> pd.DataFrame:
    known = circuit.nodes.set_index("id")
    found = known.reindex(edges[end])
    table = pd.DataFrame({"id": edges[end].to_numpy(), "label": found["label"].astype(str).to_numpy()})
    table["place"] = [place_of(row, move) for row, move in zip(found["row"], found["move"], strict=True)]
    table["weight"] = edges["weight"].to_numpy()
    return _ranked(table)


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    total = table["weight"].abs().sum()
    table = table.assign(share=table["weight"].abs() / total if total > 0 else 0.0)
    return table.reindex(table["weight"].abs().sort_values(ascending=False).index).reset_index(drop=True)


def place_of(row: str, move: float) -> str:
    """Where a node stands, such as `L2M @8`."""
    return f"{row} @{int(move)}" if move else str(row)


def all_inputs(lab: Lab, screen: Screen, node: str) -> pd.DataFrame:
    """Every direct input of a node, traced on demand; columns as of `outputs_of`. Raises UserError if it has none."""
    rows = lab.inputs(screen.shown, screen.target_text, screen.set, node)
    places = [place_of(row, move) for row, move in zip(rows["row"], rows["move"], strict=True)]
    table = pd.DataFrame({"id": rows["id"], "label": rows["label"].astype(str), "place": places})
    return _ranked(table.assign(weight=rows["contribution"]))


def show(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    """Draw the panel."""
    node = screen.node or circuit.target
    row = circuit.nodes[circuit.nodes["id"] == node].iloc[0]
    inputs, outputs = inputs_of(circuit, node), outputs_of(circuit, node)
    _breadcrumb(screen, circuit)
    everything = _actions(screen, circuit, row)
    if everything or (inputs.empty and row["kind"] == "feature"):
        try:
            inputs = all_inputs(lab, screen, node)
        except UserError as error:
            note(str(error))
    _table("Inputs", inputs, circuit, f"in-{node}")
    _table("Outputs", outputs, circuit, f"out-{node}")


def _breadcrumb(screen: Screen, circuit: Circuit) -> None:
    """The nodes walked through, the selected one last; a click goes back to one."""
    walk, known = trail(screen, circuit.target), circuit.nodes.set_index("id")

    def name(node: str) -> str:
        row = known.loc[node]
        return plain(str(row["label"]) if node == circuit.target else f"{row['label']}, {place_of(row['row'], row['move'])}")

    st.pills(
        "Walked through",
        walk,
        format_func=name,
        key=bind("walk", walk[-1]),
        required=True,
        on_change=_on_walk,
        args=(circuit.target,),
        label_visibility="collapsed",
    )


def _on_walk(target: str) -> None:
    node = st.session_state["walk"]
    attempt(lambda now: replace(now, node=None if node == target else node))


def _actions(screen: Screen, circuit: Circuit, row: pd.Series) -> bool:
    """Buttons of the selected node; returns whether all its inputs are asked for."""
    node = str(row["id"])
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if row["kind"] == "feature":
            step = partial(_traced_from, str(row["site"]), int(row["index"]), int(row["move"]))
            _button("Trace it", "trace_node", step, icon=":material/account_tree:", help="Make this feature the target")
        if node != circuit.target:
            is_pinned = node in [pin.node for pin in screen.pins]
            icon = ":material/keep_off:" if is_pinned else ":material/keep:"
            _button("Unpin" if is_pinned else "Pin", "pin", partial(toggled, node), icon=icon)
        return row["kind"] in ("feature", "target") and st.toggle("All inputs", key="all_inputs")


def _button(label: str, key: str, step: Any, *, icon: str | None = None, help: str | None = None) -> None:
    st.button(label, icon=icon, help=help, key=key, on_click=attempt, args=(step,))


def _traced_from(site: str, index: int, move: int, screen: Screen) -> Screen:
    return trace_from(screen, site, index, move)


def _table(title: str, table: pd.DataFrame, circuit: Circuit, key: str) -> None:
    if table.empty:
        note(f"{title}: none in this circuit.")
        return
    known = set(circuit.nodes["id"])
    ids = table["id"].head(200).tolist()
    st.dataframe(
        table.head(200)[["weight", "share", "label", "place"]],
        key=key,
        on_select=lambda: _on_row(key, ids, known),
        selection_mode="single-row",
        hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 254),
        column_config={
            "weight": st.column_config.NumberColumn(title, format="%+.3f", width=70),
            "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0.0, max_value=1.0, width=80),
            "label": st.column_config.TextColumn("Node", width="medium"),
            "place": st.column_config.TextColumn("Where", width=80),
        },
    )


def _on_row(key: str, ids: list[str], known: set[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows and rows[0] < len(ids) and ids[rows[0]] in known:
        attempt(lambda now: replace(now, node=ids[rows[0]]))
