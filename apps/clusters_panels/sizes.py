"""Panel C: how uneven the clusters are; where the common ones end and the rare ones begin."""

from __future__ import annotations

import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.selection import Selection, choose_cluster, drawn_around
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.clusters import rank_size
from training.sampling.balance import common_clusters

_KEY, _VIEW, _CUT = "sizes", "view", "common"


def show(corpus: Corpus, selection: Selection) -> None:
    """Draw the panel."""
    st.markdown("**Sizes of clusters**")
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        view = st.segmented_control(
            "Sizes",
            ["Rank and size", "Bars"],
            default="Rank and size",
            key=_VIEW,
            required=True,
            label_visibility="collapsed",
        )
        percent = st.slider("Common clusters hold, % of documents", 10, 90, 50, 5, key=_CUT, width=260)
    common = common_clusters(corpus.sizes, percent / 100)
    frame = corpus.table[["cluster", "size", "label"]].assign(chosen=corpus.table["cluster"] == selection.cluster)
    figure = rank_size(frame, common=common, bars=view == "Bars")
    selectable_chart(figure, key=_KEY, on_select=_on_point, modes=("points",))
    rare, empty = corpus.balance.clusters - corpus.balance.empty - common, corpus.balance.empty
    told = f"The {common} largest clusters hold {percent} % of the documents; {rare} are rare"
    note(told + (f", and {empty} are empty and not drawn." if empty else "."))


def _on_point() -> None:
    if len(chosen := drawn_around(st.session_state[_KEY])):
        choose_cluster(int(chosen[0]))
