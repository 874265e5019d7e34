"""Panel D: what the selected feature stands for: label, statistics, 8 x 8 boards, histogram, example positions."""

from __future__ import annotations

import streamlit as st

from apps.circuits_panels.board import position
from apps.circuits_panels.lab import Card, Circuit, Lab
from apps.circuits_panels.state import Screen, Target
from apps.shell.bars import columns
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
    show_card(lab, screen.set, *feature)


def show_card(lab: Lab, set_name: str, site: str, index: int) -> None:
    """Draw the card of any feature."""
    card = lab.card(set_name, site, index)
    if missing := lab.cards_notice(set_name):
        note(missing)
    if card is None:
        note(f"{site}/{index} has no card: it was never active on the games that the cards were made from.")
        return
    st.markdown(f"**{plain(f'{site}/{index}')}** {plain(card.label)}")
    if card.facts:
        note(" · ".join(f"{name} {value}" for name, value in card.facts.items()))
    note("Over its strongest inputs, and what it writes for" if card.facts else "From the weights alone")
    st.html(board_row([heat_board(values, title=title) for title, values in card.boards], width=105))
    _distributions(card)
    if card.examples:
        note("Where it is strong")
        st.html(board_row(_examples(card), width=105))


def _distributions(card: Card) -> None:
    if not len(card.histogram):
        return
    low, high = float(card.histogram["left"].min()), float(card.histogram["right"].max())
    title = "Activations above zero (counts on a log scale)"
    drawings = [columns(card.histogram["height"], title=title, ends=(f"{low:.2g}", f"{high:.2g}"))]
    if card.plies is not None:
        drawings.append(columns(card.plies, title="When in the game it is strongest", ends=("move 1", f"{len(card.plies)}")))
    st.html(board_row(drawings, width=230))


def _examples(card: Card) -> list[str]:
    boards = []
    for moves, activation in card.examples[:6]:
        discs, _ = position(Screen(moves, len(moves), Target("logit")))
        boards.append(disc_board(discs.tolist(), title=f"{activation:.2f} after move {len(moves)}", last=moves[-1]))
    return boards
