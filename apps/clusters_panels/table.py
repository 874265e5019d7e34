"""The clusters as a table; a click on a row looks at that cluster."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.selection import CLUSTER, choose_cluster, clear_map

_TABLE = "clusters"


def show(corpus: Corpus) -> None:
    """Draw the table and, above it, the same choice as a box to type into."""
    numbers = corpus.table["cluster"].tolist()
    st.selectbox(
        "Cluster",
        numbers,
        index=None,
        key=CLUSTER,
        format_func=corpus.label,
        placeholder="Choose a cluster here, in the table, or in the plot of sizes",
        on_change=clear_map,
    )
    table = corpus.table
    st.dataframe(
        table[["cluster", "label", "size", "similarity"]].assign(share=100 * table["share"]),
        key=_TABLE,
        column_order=["cluster", "label", "size", "share", "similarity"],
        on_select=lambda: _on_row(numbers),
        selection_mode="single-row",
        hide_index=True,
        height=470,
        column_config={
            "cluster": st.column_config.NumberColumn("No.", width=42),
            "label": st.column_config.TextColumn("Top terms", width=172),
            "size": st.column_config.NumberColumn("Docs", format="localized", width=58),
            "share": st.column_config.NumberColumn("Share", format="%.1f %%", width=62),
            "similarity": st.column_config.NumberColumn(
                "Cosine", format="%.2f", width=56, help="Mean cosine of its documents to the centroid."
            ),
        },
    )


def _on_row(numbers: list[int]) -> None:
    rows = st.session_state[_TABLE]["selection"]["rows"]
    choose_cluster(numbers[rows[0]] if rows and rows[0] < len(numbers) else None)


def clusters_csv_frame(corpus: Corpus, marks: dict[int, tuple[str, str]]) -> pd.DataFrame:
    """The table as it is saved, with the reader's marks and notes."""
    terms = [" ".join(words) for words in corpus.run.clusters["terms"]]
    marked = [marks.get(int(one), ("", "")) for one in corpus.table["cluster"]]
    return corpus.table.drop(columns="label").assign(
        terms=terms, mark=[mark for mark, _ in marked], note=[text for _, text in marked]
    )
