"""The stored feature cards of the dictionary sets, as the panels show them."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from apps.circuits_panels.lab import Card
from interp.dictionaries.cards import BINS, Cards
from interp.dictionaries.sets import set_folder

TRUSTED = 0.7
"""Held-out F1 from which a label is shown without a question mark; our choice."""


class Stored(NamedTuple):
    """The cards of a set."""

    cards: Cards | None
    """None where none are installed."""
    labels: dict[tuple[str, int], str]
    """By site and number, with `?` behind one that other games did not bear out."""
    densities: dict[tuple[str, int], float]
    """Share of positions at which each feature is active."""
    notice: str
    """How to make cards if there are none, or empty."""


@cache
def stored_cards(set_name: str) -> Stored:
    """The cards of a shipped set. Of most cards a circuit needs no more than is read here."""
    path = set_folder(set_name) / "cards.parquet"
    make = f"`interp dictionaries features --set {set_name}` makes them"
    if not path.is_file():
        return Stored(None, {}, {}, f"No feature cards of this set are installed, so features have no labels: {make}.")
    try:
        table = pq.read_table(path, columns=["site", "index", "label", "f1_held_out", "frequency"])
    except (OSError, ValueError, KeyError) as error:
        told = f"{path.name} of this set holds no feature cards ({' '.join(str(error).split())}); {make}."
        return Stored(None, {}, {}, told)
    sites, numbers, labels, scores, densities = (column.to_pylist() for column in table.columns)
    places = list(zip(sites, numbers, strict=True))
    words = [f"{label}{'' if f1 >= TRUSTED else '?'}" for label, f1 in zip(labels, scores, strict=True)]
    return Stored(Cards(path), dict(zip(places, words, strict=True)), dict(zip(places, densities, strict=True)), "")


def short_label(set_name: str, site: str, index: int) -> str:
    """The label as it stands beside a feature's number; empty without a card."""
    return stored_cards(set_name).labels.get((site, index), "")


def drawn_card(set_name: str, site: str, index: int) -> Card | None:
    """The card of a feature; None without cards, and for a feature that was never active."""
    cards = stored_cards(set_name).cards
    card = cards.card(site, index) if cards is not None else None
    if card is None:
        return None
    doubt = f" (? marks labels below {TRUSTED})" if card.f1_held_out < TRUSTED else ""
    facts = {
        "F1 on other games": f"{card.f1_held_out:.2f}{doubt}",
        "active at": f"{card.frequency:.2%} of positions",
        "largest activation": f"{card.maximum:.2f}",
        "black moved at": f"{card.black:.0%} of the strongest",
    }
    if card.probe:
        facts["nearest probe direction"] = f"{card.probe} (cosine {card.cosine:.2f})"
    boards = [
        ("Mine", card.mine),
        ("Theirs", card.theirs),
        ("Just played", card.moves),
        ("Just flipped", card.flips),
        ("Writes for", np.nan_to_num(card.logits)),
    ]
    edges = np.linspace(0.0, card.maximum, BINS + 1)
    histogram = pd.DataFrame({"left": edges[:-1], "right": edges[1:], "height": card.histogram})
    examples = [(example.moves, example.activation) for example in card.examples]
    return Card(short_label(set_name, site, index), facts, boards, histogram, card.plies, examples)


def labels_found(set_name: str, text: str) -> pd.DataFrame:
    """Features by words of their label: `site`, `index`, `label`, `f1`, best first."""
    cards = stored_cards(set_name).cards
    found = cards.search(text, limit=200) if cards is not None else []
    rows = [(card.site, card.index, card.label, card.f1_held_out) for card in found]
    return pd.DataFrame(rows, columns=["site", "index", "label", "f1"])
