"""The documents as a table; a click on a row reads that document."""

from __future__ import annotations

import streamlit as st

from apps.longtext_panels.corpus import LongTexts
from apps.longtext_panels.view import DOCUMENT, View, clear_filters, key_of, open_document
from apps.shell.page import note
from training.longtext.metrics import METRICS

MOST_ROWS = 2_000
"""Documents listed."""
_TABLE = "documents"
_COLUMNS = ("id", "type", "margin", "coh", "csn", "cpx", *METRICS, "domain", "characters")


def show(view: View) -> None:
    """Draw the table, those nearest to a border first."""
    rows = view.shown.sort_values("margin", kind="stable").head(MOST_ROWS)
    if rows.empty:
        note("No document passes the filters.")
        st.button("Show all documents", key="clear-empty", on_click=clear_filters, args=(view.language,))
        return
    shown = [name for name in _COLUMNS if name == "id" or rows[name].notna().any()]
    ids = rows["id"].tolist()
    st.dataframe(
        rows[shown],
        key=key_of(_TABLE, view.language),
        on_select=lambda: _on_row(view, ids),
        selection_mode="single-row",
        hide_index=True,
        height=300,
        column_config={
            "id": st.column_config.TextColumn("Document", width=150),
            "type": st.column_config.TextColumn("Type", width=82),
            "margin": st.column_config.NumberColumn(
                "Margin", format="%.3f", width=64, help="Distance to the nearest border."
            ),
            **{name: st.column_config.NumberColumn(name.upper(), format="%.2f", width=54) for name in ("coh", "csn", "cpx")},
            **{
                name: st.column_config.NumberColumn(name, format="%.4f", help=one.definition)
                for name, one in METRICS.items()
            },
        },
    )
    told = (
        f"{len(view.shown):,} of {len(view.documents):,} documents"
        if len(view.shown) < len(view.documents)
        else "all documents"
    )
    cut = f", the first {MOST_ROWS:,} listed" if len(view.shown) > MOST_ROWS else ""
    note(f"{told}{cut}, those nearest to a border first. Click a row to read it.")


def _on_row(view: View, ids: list[str]) -> None:
    rows = st.session_state[key_of(_TABLE, view.language)]["selection"]["rows"]
    if rows and rows[0] < len(ids):
        open_document(ids[rows[0]])


def name_box(texts: LongTexts) -> None:
    """The same choice as a box to type into."""
    key = f"name-{st.session_state.get(DOCUMENT)}"
    st.text_input(
        "Document",
        st.session_state.get(DOCUMENT) or "",
        key=key,
        max_chars=400,
        placeholder="its id; or click it in the plane or the table",
        on_change=lambda: open_document(st.session_state[key].strip() or None),
    )
