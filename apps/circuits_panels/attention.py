"""Panel E: where a head looks, and for an attention score which sources of its query and key make it, alone and in pairs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from apps.circuits_panels.feature_card import show_card
from apps.circuits_panels.lab import Circuit, Lab, Pairs
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
    names = {f"{move} {square_name(square)}": float(pattern[move - 1]) for move, square in enumerate(screen.shown, 1)}
    st.html(share_bars(names, title=f"L{layer}H{head}: attention of move {screen.ply} to each move"))
    if traced:
        _pairs(lab, screen, circuit)
        return
    strongest = int(pattern.argmax()) + 1
    target = Target("attention", layer=layer, head=head, key=strongest)
    st.button(
        f"Trace its score for move {strongest}",
        key="trace_score",
        on_click=attempt,
        args=(lambda now: replace(now, target=target, node=None),),
    )


def _choose_head(lab: Lab) -> tuple[int, int]:
    layer, head, _ = st.columns([1, 1, 4])
    return (
        layer.selectbox("Layer", range(len(lab.sites) // 2), index=1, key="view_layer"),
        head.selectbox("Head", range(lab.heads), key="view_head"),
    )


def _pairs(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    found = lab.pairs(screen.shown, screen.target_text, screen.set)
    note(
        f"Scaled score before the softmax {circuit.value:+.3f}: a sum over {found.total:,} pairs, each a source at move "
        f"{screen.ply} (query) times one at move {screen.target.key} (key). Choose a pair to see both cards, a source to "
        "select it."
    )
    query, key, pairs = st.columns([1, 1, 1.5])
    with query:
        _side("query", found, set(circuit.nodes["id"]))
    with key:
        _side("key", found, set(circuit.nodes["id"]))
    with pairs:
        chosen = _pair_table(found.pairs)
    if chosen is None:
        _pair_heat(found.pairs)
    else:
        _both_cards(lab, screen, found.pairs.iloc[chosen])


def _side(side: str, found: Pairs, known: set[str]) -> None:
    """All pairs of one source added up, the biases of the projection included."""
    table = found.sides[side].head(100)
    st.dataframe(
        table[["contribution", "label"]],
        key=f"side-{side}",
        hide_index=True,
        height=300,
        on_select=partial(_on_side, f"side-{side}", table["id"].tolist(), known),
        selection_mode="single-row",
        column_config={
            "contribution": st.column_config.NumberColumn("Sum", format="%+.3f", width=60),
            "label": st.column_config.TextColumn(f"{side.capitalize()} side", width=190),
        },
    )


def _pair_table(pairs: pd.DataFrame) -> int | None:
    """Row of the chosen pair, if one is chosen."""
    state = st.dataframe(
        pairs[["contribution", "query", "key"]].head(200),
        key="pairs",
        hide_index=True,
        height=300,
        on_select="rerun",
        selection_mode="single-row",
        column_config={"contribution": st.column_config.NumberColumn("Pair", format="%+.3f", width=70)},
    )
    rows = state["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(pairs) else None


def _pair_heat(pairs: pd.DataFrame) -> None:
    from apps.shell.charts import chart
    from interp.figures.attention import pair_heat_map

    chart(pair_heat_map(pairs, top=10), key="pair_heat")


def _both_cards(lab: Lab, screen: Screen, pair: pd.Series) -> None:
    for column, side in zip(st.columns(2, gap="medium"), ("query", "key"), strict=True):
        with column:
            place, _, _ = str(pair[f"{side}_id"]).partition("@")
            site, _, index = place.partition("/")
            if index:
                show_card(lab, screen.set, site, int(index))
            else:
                note(f"{pair[side]}: no feature, so it has no card.")


def _select(node: str, now: Screen) -> Screen:
    return replace(now, node=node)


def _on_side(key: str, ids: list[str], known: set[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows and rows[0] < len(ids) and ids[rows[0]] in known:
        attempt(partial(_select, ids[rows[0]]))
