"""The page: numbers and table first, then the map, documents and sizes, sampling, exports."""

from __future__ import annotations

import streamlit as st

from apps.clusters_panels import documents, exports, map_panel, metrics, opening, sampling, sizes, table
from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.selection import RUN, clear_all, selected, start, write_link
from apps.shell.page import begin, note, opened, show_problems, title_line


def main() -> None:
    """The whole page."""
    begin("Clusters of a corpus")
    title = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    problems = st.container()
    corpus = _open()
    with title:
        title_line("Clusters", "what a corpus is made of, and what training would see of it", _badges(corpus))
        _run_box()
    if corpus is not None:
        metrics.show(corpus)
    with problems:
        show_problems()
    if corpus is not None:
        _panels(corpus)
        with problems:
            show_problems()


def _open() -> Corpus | None:
    """The run that was asked for, or else, with a sentence about why, the shipped one."""
    return opened(_asked, opening.open_corpus)


def _asked() -> str:
    return st.session_state.get(RUN, st.query_params.get(RUN)) or opening.asked_run()


def _badges(corpus: Corpus | None) -> list[str]:
    if corpus is None:
        return ["no run"]
    embedder, aside = corpus.facts.get("embedder"), corpus.facts.get("set_aside")
    facts = [corpus.name] + ([f"embedded by {embedder}"] if embedder else [])
    return facts + ([f"{aside:,} rows set aside"] if aside else [])


def _panels(corpus: Corpus) -> None:
    start(corpus)
    left, right = st.columns([1.45, 1], gap="medium")
    with right:
        table.show(corpus)
    with left:
        map_panel.controls(corpus)
        place = st.container()
    selection = selected(corpus)
    below = st.container()
    with below:
        reading, shape = st.columns([1.25, 1], gap="medium")
        with reading:
            documents.show(corpus, selection)
        with shape:
            sizes.show(corpus, selection)
        sampling.show(corpus)
        exports.show(corpus, selection)
    with place:  # last, as it is the heaviest
        map_panel.show(corpus, selection)
    write_link()


def _run_box() -> None:
    with st.popover("Open a run", icon=":material/folder_open:"):
        st.text_input(
            "Folder that `interp sample prepare` made; empty for the one that comes with the package",
            key=RUN,
            on_change=clear_all,
            placeholder="runs/mine",
            bind="query-params",
            max_chars=1000,
        )
        note("`interp sample prepare corpus.jsonl --text-column text --out runs/mine --clusters 50` makes one.")
