"""Panel E: where a head looks, and for an attention score which pairs of query and key sources make it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.session import attempt
from apps.circuits_panels.state import Screen, Target
from apps.shell.bars import share_bars
from apps.shell.page import note
from interp.othello.notation import square_name


def show(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    """Draw the panel."""
    traced = screen.target.kind == "attention"
    layer, head = (screen.target.layer, screen.target.head) if traced else _choose_head(lab)
    pattern = lab.pattern(screen.shown, layer, head)
    names = {
        f"{move} {square_name(square)}": float(pattern[move - 1])
        for move, square in enumerate(screen.shown, 1)
    }
    st.html(share_bars(names, title=f"L{layer}H{head}: attention of move {screen.ply} to each move"))
    if not traced:
        strongest = int(pattern.argmax()) + 1
        target = Target("attention", layer=layer, head=head, key=strongest)
        st.button(
            f"Trace its score for move {strongest}",
            key="trace_score",
            on_click=attempt,
            args=(lambda now: replace(now, target=target, node=None),),
        )
        return
    pairs = lab.attention_pairs(screen.shown, screen.target_text, screen.set)
    pairs = pairs.reindex(pairs["contribution"].abs().sort_values(ascending=False).index)
    note(
        f"Scaled score before the softmax {circuit.value:+.3f}; {len(pairs):,} pairs of sources. Each pair is a source "
        "on the query side times one on the key side; choose a row to select its source."
    )
    table, heat = st.columns([1, 1.1])
    with table:
        _pair_table(pairs.head(200), circuit)
    with heat:
        _pair_heat(pairs)


def _choose_head(lab: Lab) -> tuple[int, int]:
    layer, head, _ = st.columns([1, 1, 4])
    return (
        layer.selectbox("Layer", range(len(lab.sites) // 2), index=1, key="view_layer"),
        head.selectbox("Head", range(lab.heads), key="view_head"),
    )


def _pair_table(pairs: pd.DataFrame, circuit: Circuit) -> None:
    known = set(circuit.nodes["id"])
    sides = list(zip(pairs["query_id"], pairs["key_id"], strict=True))
    st.dataframe(
        pairs[["contribution", "query", "key"]],
        key="pairs",
        hide_index=True,
        height=330,
        on_select=lambda: _on_pair(sides, known),
        selection_mode="single-row",
        column_config={"contribution": st.column_config.NumberColumn("Pair", format="%+.3f", width=70)},
    )


def _pair_heat(pairs: pd.DataFrame) -> None:
    from apps.shell.charts import chart
    from interp.figures.attention import pair_heat_map

    chart(pair_heat_map(pairs, top=10), key="pair_heat")


def _select(node: str, now: Screen) -> Screen:
    return replace(now, node=node)


def _on_pair(sides: list[tuple[str, str]], known: set[str]) -> None:
    rows = st.session_state["pairs"]["selection"]["rows"]
    if rows and rows[0] < len(sides):
        for node in sides[rows[0]]:
            if node in known:
                attempt(partial(_select, node))
                return
