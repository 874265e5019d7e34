"""The page: numbers first, then the document table and text, then the plane and what else is drawn by Plotly."""

from __future__ import annotations

import streamlit as st

from apps.longtext_panels import (
    compare,
    document,
    exports,
    metric_columns,
    mixture,
    opening,
    overview,
    plane,
    table,
)
from apps.longtext_panels.corpus import NAMES, LongTexts
from apps.longtext_panels.view import LANGUAGE, RUN, open_document, start, view
from apps.shell.page import begin, note, opened, show_problems, title_line
from interp.runs.errors import UserError


def main() -> None:
    """The whole page."""
    begin("Types of long texts")
    title = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center")
    problems = st.container()
    texts = _open()
    with title:
        title_line("Long texts", "holistic, aggregated or chaotic, and why", _badges(texts))
        _run_box()
    with problems:
        show_problems()
    if texts is not None:
        _panels(texts)
        with problems:
            show_problems()


def _open() -> LongTexts | None:
    """The run that was asked for, or else, with a sentence about why, the shipped one."""
    return opened(_asked, lambda folder: _with_documents(opening.open_texts(folder)))


def _asked() -> str:
    return st.session_state.get(RUN, st.query_params.get(RUN)) or opening.asked_run()


def _with_documents(texts: LongTexts) -> LongTexts:
    if texts.documents.empty:
        first = texts.rejected[0]["reason"] if texts.rejected else "it has no rows"
        raise UserError(f"{texts.run.path} has no scored document ({len(texts.rejected)} rejected, the first: {first})")
    return texts


def _badges(texts: LongTexts | None) -> list[str]:
    if texts is None:
        return ["no run"]
    settings = texts.settings
    facts = [texts.name, f"{settings.get('metrics', 'unknown')} metrics"]
    if settings.get("metrics") == "all":
        facts.append(f"{settings.get('model')}, windows {settings.get('windows')}")
    return facts


def _panels(texts: LongTexts) -> None:
    start(texts)
    language = _language(texts)
    top = st.container()
    plane.filters(texts, language)
    left, right = st.columns([1.3, 1], gap="medium")
    with right:
        borders = st.container(border=True)
        with borders:
            plane.controls(texts, language)
        listed = st.container()
    seen = view(texts, language)
    with top:
        overview.show_numbers(seen)
    place = left.container()
    with listed:
        table.show(seen)
    document.show(seen)
    st.markdown("**By domain and type**")
    overview.show_table(seen)
    overview.show_rejected(seen)
    st.markdown("**Metrics**")
    one, other = st.columns([1.25, 1], gap="medium")
    with one:
        metric = metric_columns.controls(seen)
        histogram = st.container()
    with other:
        metric_columns.show_correlations(seen)
    compare.show(seen)
    mixture.show(seen)
    exports.show(seen)
    with place:  # last, as charts are the heaviest
        plane.show(seen)
    with histogram:
        metric_columns.show(seen, metric)


def _language(texts: LongTexts) -> str:
    """Never both at once: metrics of one language say nothing about the other's."""
    named = {NAMES[language]: language for language in texts.languages}
    chosen = st.segmented_control(
        "Language", list(named), default=next(iter(named)), key=LANGUAGE, required=True, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    return named[chosen]


def _run_box() -> None:
    with st.popover("Open a run", icon=":material/folder_open:"):
        st.text_input(
            "Folder that `interp longtext score` made; empty for the one that comes with the package",
            key=RUN,
            on_change=lambda: open_document(None),
            placeholder="runs/mine",
            bind="query-params",
            max_chars=1000,
        )
        note("`interp longtext score corpus.jsonl --metrics all --out runs/mine` makes one.")
