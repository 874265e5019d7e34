"""Panel E: a document to read in segments, with its evidence, and why it has its type; or a text of the reader's own."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from apps.longtext_panels import breakdown, marked, own_text, strip, table
from apps.longtext_panels.marked import LAYERS, weak_boundaries
from apps.longtext_panels.reading import Reading, of_run
from apps.longtext_panels.view import DOCUMENT, View, document_number
from apps.shell.exports import to_json
from apps.shell.page import note, plain

_SEGMENT, _SOURCE, _MARKS = "_segment", "read", "marks"
_WEAKEST = 4


def reading_of(view: View) -> Reading | None:
    """The document that is asked for, or else the one nearest to a border; None if there is none."""
    number = document_number(view.texts)
    if number is None or number not in view.documents.index:
        rows = view.shown if len(view.shown) else view.documents
        if rows.empty:
            return None
        number = int(rows["margin"].idxmin()) if rows["margin"].notna().any() else int(rows.index[0])
    return of_run(view, number)


def show(view: View) -> None:
    """Draw the panel."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        source = st.segmented_control(
            "Document", ["Of the run", "Your own text"], default="Of the run", key=_SOURCE, required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        if source == "Of the run":
            table.name_box(view.texts)
    reading = reading_of(view) if source == "Of the run" else own_text.reading(view.texts)
    if reading is not None:
        if source == "Of the run" and not st.session_state.get(DOCUMENT):
            note("No document is chosen: this is the one nearest to a border.")
        _read(reading)


@st.fragment
def _read(reading: Reading) -> None:
    """The document; turning to another segment leaves the rest of the page alone."""
    st.html(breakdown.STYLE + marked.STYLE)
    st.html(heading_html(reading))
    left, right = st.columns([1.55, 1], gap="medium")
    with right:
        st.html(breakdown.verdict_html(reading) + breakdown.table_html(reading))
        st.html(breakdown.counts_html(reading))
    with left:
        _segments(reading)
    st.download_button(
        "Evidence (JSON)", lambda: to_json(evidence(reading)), "evidence.json", "application/json", key="get_evidence",
        on_click="ignore",
    )  # fmt: skip


def heading_html(reading: Reading) -> str:
    """Name and facts."""
    row = reading.scores
    facts = [*reading.facts, f"{len(reading.text):,} characters"]
    facts += [] if pd.isna(row["tokens"]) else [f"{int(row['tokens']):,} tokens"]
    name, told = escape(reading.name[:160]), escape(" · ".join(facts))
    return f'<div class="lab-doc-head"><b>{name}</b> <span class="lab-note">{told}</span></div>'


def _segments(reading: Reading) -> None:
    key = f"{_SEGMENT}-{reading.name}"
    chosen = min(st.session_state.get(key, 0), len(reading.segments) - 1)

    def turn(number: int) -> None:
        st.session_state[key] = number

    strip.show(reading, chosen, key=f"strip-{reading.name}", on_segment=turn)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _pages(reading, chosen, turn)
        layers = [name for name in LAYERS if name != "boundaries" or reading.boundaries]
        kept = st.pills("Mark", layers, selection_mode="multi", default=layers, key=_MARKS, label_visibility="collapsed")
    _weakest(reading, turn)
    st.html(
        marked.key_html([name for name in layers if name in kept])
        + marked.text_html(reading, reading.segments[chosen], kept)
    )
    note(strip.hint(reading, chosen))


def _pages(reading: Reading, chosen: int, turn: Any) -> None:
    count = len(reading.segments)
    st.button("", icon=":material/chevron_left:", help="One segment back", key="back", disabled=not chosen,
              on_click=turn, args=(chosen - 1,))  # fmt: skip
    st.button("", icon=":material/chevron_right:", help="One segment on", key="on", disabled=chosen + 1 >= count,
              on_click=turn, args=(chosen + 1,))  # fmt: skip


def _weakest(reading: Reading, turn: Any) -> None:
    """Jumps to where the ties are weakest and to where context helps least."""
    jumps = {f"tie {score:.2f}": place for place, score in weak_boundaries(reading)[:_WEAKEST]}
    windows = sorted(reading.windows, key=lambda one: one["diff"])[: _WEAKEST // 2]
    jumps |= {f"gain {one['diff']:+.3f}": int(one["start"]) for one in windows}
    if not jumps:
        return
    key = f"weakest-{reading.name}"

    def jump() -> None:
        if (name := st.session_state[key]) in jumps:
            turn(reading.segment_at(jumps[name]))

    st.pills("Jump to the weakest places", list(jumps), key=key, on_change=jump, format_func=plain)


def evidence(reading: Reading) -> dict[str, Any]:
    """All that was found about a document, as JSON can hold it."""
    terms = {
        dimension: [{name: None if value != value else value for name, value in one._asdict().items()} for one in found]
        for dimension, found in breakdown.terms(reading).items()
    }
    row = {name: None if pd.isna(value) else value for name, value in reading.scores.items()}
    scores = {str(name): getattr(value, "item", lambda value=value: value)() for name, value in row.items()}
    repeats = [list(span) for span in reading.repeats]
    return {"id": reading.name, "scores": scores, "terms": terms, "evidence": reading.evidence, "repeats": repeats}
