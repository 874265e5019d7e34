"""Panel B: the corpus as a map; draw around documents to read them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.selection import COLOUR, MOST_SEARCHED, SEARCH, Selection, clear_all, clear_map, map_key
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.clusters import MOST_NAMED, document_map
from interp.figures.theme import INK

LABELLED = 24
"""Clusters whose first terms are written on the map, the largest ones."""
_TERMS = 2
_ROOM = 0.2, 0.04
"""Shares of the map's width and height that a label takes."""


def colours(corpus: Corpus) -> list[str]:
    """What the map can be coloured by."""
    return ["cluster", *corpus.categories, "length", "similarity"]


def map_frame(corpus: Corpus, selection: Selection, colour: str) -> pd.DataFrame:
    """The documents on the map, for `interp.figures.clusters.document_map`; one that was drawn around stays coloured."""
    points = corpus.points
    frame = points[["x", "y", "document"]].copy()
    frame[colour] = np.log10(np.maximum(points["characters"], 1)) if colour == "length" else points[colour]
    if selection.kind in ("cluster", "search"):
        frame["chosen"] = np.isin(points["document"], selection.numbers)
    if len(points) <= MOST_NAMED:
        frame["name"] = points["id"]
    return frame


def labels(corpus: Corpus, selection: Selection) -> pd.DataFrame:
    """First terms at the middle of the largest clusters, or of the chosen one."""
    if selection.cluster is None:
        shown = corpus.centres[_apart(corpus.centres, corpus.points)].head(LABELLED)
    else:
        shown = corpus.centres[corpus.centres["cluster"] == selection.cluster]
    return shown.assign(text=[", ".join(corpus.table["label"][one].split(", ")[:_TERMS]) for one in shown["cluster"]])


def _apart(centres: pd.DataFrame, points: pd.DataFrame) -> np.ndarray:
    """Whether a cluster's middle is clear of the labels of all larger clusters that have one."""
    wide, high = (float(np.ptp(points[axis])) or 1.0 for axis in ("x", "y"))
    places = centres[["x", "y"]].to_numpy() / (wide * _ROOM[0], high * _ROOM[1])
    clear = np.zeros(len(places), bool)
    for number, place in enumerate(places):
        clear[number] = not (np.abs(places[clear] - place) < 1).all(1).any()
    return clear


def controls(corpus: Corpus) -> None:
    """What the map is coloured by, search, and how to look at everything again."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.selectbox(
            "Colour",
            colours(corpus),
            key=COLOUR,
            width=150,
            bind="query-params",
            format_func=lambda name: _TOLD.get(name, name),
        )
        st.text_input(
            "Search texts and ids",
            key=SEARCH,
            on_change=clear_map,
            max_chars=MOST_SEARCHED,
            placeholder="words as they stand in the text",
            width=230,
            bind="query-params",
        )
        st.button("Show everything", icon=":material/filter_alt_off:", key="clear", on_click=clear_all)


_TOLD = {"length": "length (log10 characters)", "similarity": "similarity to centroid"}


def show(corpus: Corpus, selection: Selection) -> None:
    """Draw the map."""
    colour = st.session_state[COLOUR]
    if not len(corpus.points):
        note("This run has no map: none of its documents has coordinates.")
        return
    ink = "#fafafa" if st.context.theme.type == "dark" else INK
    frame, named = map_frame(corpus, selection, colour), labels(corpus, selection)
    figure = document_map(frame, colour=colour, labels=named, ink=ink, height=470)
    selectable_chart(figure, key=map_key(), on_select=_nothing, modes=("points", "box", "lasso"), tools=True)
    placed, total = len(corpus.points), len(corpus.documents)
    told = f"{placed:,} of {total:,} documents" if placed < total else f"all {total:,} documents"
    note(f"{told}, near-duplicates included. Draw around some with the lasso or the box, or click one.")


def _nothing() -> None:
    """A selection runs the page anew, which reads it."""
