"""Panel D: what the selected feature stands for: label, statistics, 8 x 8 boards, histogram, example positions."""

from __future__ import annotations

import streamlit as st

from apps.circuits_panels.board import position
from apps.circuits_panels.lab import Card, Circuit, Lab
from apps.circuits_panels.state import Screen, Target
from apps.shell.bars import histogram
from apps.shell.boards import board_row, disc_board, heat_board
from apps.shell.page import note, plain


def subject(screen: Screen, circuit: Circuit) -> tuple[str, int] | None:
    """Site and number of the feature to show: the selected node's, the target's, else the most influential one's."""
    nodes = circuit.nodes
    chosen = nodes[nodes["id"] == screen.node]
    if len(chosen) and chosen.iloc[0]["kind"] == "feature":
        return str(chosen.iloc[0]["site"]), int(chosen.iloc[0]["index"])
    if len(chosen) and chosen.iloc[0]["kind"] != "target":
        return None
    if screen.target.kind == "feature":
        return screen.target.site, screen.target.index
    features = nodes[nodes["kind"] == "feature"]
    if features.empty:
        return None
    top = features.loc[features["influence"].idxmax()]
    return str(top["site"]), int(top["index"])


def show(lab: Lab, screen: Screen, circuit: Circuit) -> None:
    """Draw the panel."""
    feature = subject(screen, circuit)
    if feature is None:
        note(
            "The selected node is no feature, so it has no card. Errors are what the dictionaries miss; biases and "
            "embeddings are the model's own."
        )
        return
    site, index = feature
    card = lab.card(screen.set, site, index)
    if card is None:
        note(f"No card was computed for {site}/{index} of the set {screen.set}.")
        return
    label = card.facts.get("label", "")
    st.markdown(f"**{plain(f'{site}/{index}')}** {plain(label)}")
    note(" · ".join(f"{name} {value}" for name, value in card.facts.items() if name != "label"))
    st.html(board_row([heat_board(values, title=title) for title, values in card.boards]))
    if len(card.histogram):
        st.html(histogram(card.histogram, title="Activations above zero (counts on a log scale)"))
    if card.examples:
        st.html(board_row(_examples(card), width=130))


def _examples(card: Card) -> list[str]:
    boards = []
    for moves, activation in card.examples[:6]:
        discs, _ = position(Screen(moves, len(moves), Target("logit")))
        boards.append(
            disc_board(discs.tolist(), title=f"{activation:.2f} after move {len(moves)}", last=moves[-1])
        )
    return boards
