"""Take it along: numbers, tables, the map, the selected documents, and a link to this screen."""

from __future__ import annotations

import io
from collections.abc import Callable

import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.documents import as_jsonl, marks
from apps.clusters_panels.map_panel import labels, map_frame
from apps.clusters_panels.metrics import metrics
from apps.clusters_panels.selection import COLOUR, Selection
from apps.clusters_panels.table import clusters_csv_frame
from apps.shell.exports import csv, to_json
from interp.figures.clusters import document_map


def numbers(corpus: Corpus) -> dict[str, float]:
    """The row of numbers, by name."""
    return {one.name: one.value for one in metrics(corpus)}


def selection_parquet(corpus: Corpus, selection: Selection) -> bytes:
    """The selected documents' ids, clusters, similarities, places on the map and metadata."""
    content = io.BytesIO()
    corpus.documents.iloc[selection.numbers].to_parquet(content, index=False)
    return content.getvalue()


def map_html(corpus: Corpus, selection: Selection) -> str:
    """The map as a page of its own that needs no network."""
    colour = st.session_state.get(COLOUR) or "cluster"
    shown = labels(corpus, selection)
    figure = document_map(map_frame(corpus, selection, colour), colour=colour, labels=shown, title=corpus.name, height=800)
    return figure.to_html(include_plotlyjs=True)


def show(corpus: Corpus, selection: Selection) -> None:
    """Draw the panel."""
    files: dict[str, tuple[str, str, Callable[[], str | bytes]]] = {
        "Numbers (JSON)": ("numbers.json", "application/json", lambda: to_json(numbers(corpus))),
        "Clusters (CSV)": ("clusters.csv", "text/csv", lambda: csv(clusters_csv_frame(corpus, marks()))),
        "Map (HTML)": ("map.html", "text/html", lambda: map_html(corpus, selection)),
        "Selected documents (JSONL)": ("selected.jsonl", "application/x-ndjson", lambda: as_jsonl(corpus, selection)),
        "Selection (Parquet)": (
            "selected.parquet", "application/octet-stream", lambda: selection_parquet(corpus, selection)
        ),
    }  # fmt: skip
    st.markdown("**Take it along**")
    with st.container(horizontal=True, gap="small"):
        for label, (name, mime, make) in files.items():
            st.download_button(label, make, name, mime, key=f"get_{name}", on_click="ignore")
