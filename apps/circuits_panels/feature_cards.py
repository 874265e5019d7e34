"""The stored feature cards of the dictionary sets, as the panels show them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from apps.circuits_panels.lab import Card
from interp.dictionaries.cards import BINS, Cards
from interp.dictionaries.sets import set_folder
from interp.runs.errors import UserError

TRUSTED = 0.7
"""Held-out F1 from which a label is shown without a question mark; our choice."""


@cache
def stored_cards(set_name: str) -> tuple[Cards | None, str]:
    """The cards of a shipped set, or None and a sentence on how to make them."""
    path = set_folder(set_name) / "cards.parquet"
    make = f"`interp dictionaries features --set {set_name}` makes them"
    if not path.is_file():
        return None, f"No feature cards of this set are installed, so features have no labels: {make}."
    try:
        cards = Cards(path)
        len(cards)
    except UserError as error:
        return None, f"{error}; {make}."
    return cards, ""


@cache
def short_label(set_name: str, site: str, index: int) -> str:
    """The label as it stands beside a feature's number; `?` marks one that other games did not bear out."""
    cards, _ = stored_cards(set_name)
    card = cards.card(site, index) if cards is not None else None
    if card is None:
        return ""
    return card.label if card.f1_held_out >= TRUSTED else f"{card.label}?"


def drawn_card(set_name: str, site: str, index: int) -> Card | None:
    """The card of a feature; None without cards, and for a feature that was never active."""
    cards, _ = stored_cards(set_name)
    card = cards.card(site, index) if cards is not None else None
    if card is None:
        return None
    facts = {
        "F1 on other games": f"{card.f1_held_out:.2f}",
        "active at": f"{card.frequency:.2%} of positions",
        "largest activation": f"{card.maximum:.2f}",
        "black moved at": f"{card.black:.0%} of the strongest",
    }
    if card.probe:
        facts["nearest probe direction"] = f"{card.probe} (cosine {card.cosine:.2f})"
    boards = [
        ("Mine in the strongest inputs", card.mine),
        ("Theirs", card.theirs),
        ("Last move", card.moves),
        ("Turned by it", card.flips),
        ("Pushes the logits of", np.nan_to_num(card.logits)),
    ]
    edges = np.linspace(0.0, card.maximum, BINS + 1)
    histogram = pd.DataFrame({"left": edges[:-1], "right": edges[1:], "height": card.histogram})
    return Card(
        card.label, facts, boards, histogram, card.plies, [(example.moves, example.activation) for example in card.examples]
    )


def labels_found(set_name: str, text: str) -> pd.DataFrame:
    """Features by words of their label: `site`, `index`, `label`, `f1`, best first."""
    cards, _ = stored_cards(set_name)
    found = cards.search(text, limit=200) if cards is not None else []
    rows = [(card.site, card.index, card.label, card.f1_held_out) for card in found]
    return pd.DataFrame(rows, columns=["site", "index", "label", "f1"])
