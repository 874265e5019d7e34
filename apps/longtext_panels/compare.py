"""Panel D: two sides of the documents beside each other: kept and dropped, two types, or what moved borders changed."""

from __future__ import annotations

import json
from html import escape

import pandas as pd
import streamlit as st

from apps.longtext_panels.mixture import kept_types
from apps.longtext_panels.overview import type_chip
from apps.longtext_panels.view import View, key_of, open_document
from apps.shell.page import note
from training.longtext.metrics import METRICS
from training.longtext.types import TYPES

PAGE = 4
"""Documents on a page, of each side."""
SIDES = [
    "kept by the mixture",
    "dropped by the mixture",
    *TYPES,
    "changed type",
    "passing the filters",
    "not passing the filters",
]
NEAR, FAR = "near the border", "far from the border"
MOST_SAVED = 2_000
"""Documents of a side that are saved."""
_SHORT = 300
STYLE = """<style>
.lab-card {border-left: 3px solid rgba(128, 128, 128, .4); padding: .1rem 0 .1rem .6rem; font-size: .84rem}
.lab-card p {margin: .15rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.35; opacity: .9;
  max-height: 6.8em; overflow: hidden}
.lab-card b {overflow-wrap: anywhere}
.lab-chips span {border: 1px solid rgba(128, 128, 128, .4); border-radius: .4rem; padding: 0 .35rem; font-size: .76rem;
  margin-right: .25rem; display: inline-block; font-variant-numeric: tabular-nums}
</style>"""


def side(view: View, name: str, order: str) -> pd.DataFrame:
    """Documents of a side, sorted: by their distance to the border, or by a metric, falling."""
    documents = view.documents
    masks = {
        SIDES[0]: documents["type"].isin(kept_types()),
        SIDES[1]: ~documents["type"].isin(kept_types()),
        "changed type": view.changed,
        "passing the filters": pd.Series(view.chosen, documents.index),
        "not passing the filters": ~pd.Series(view.chosen, documents.index),
        **{kind: documents["type"] == kind for kind in TYPES},
    }
    column, rising = ("margin", order == NEAR) if order in (NEAR, FAR) else (order, False)
    return documents[masks[name]].sort_values(column, ascending=rising, kind="stable")


@st.fragment
def show(view: View) -> None:
    """Draw the panel; its controls rerun nothing else."""
    st.markdown("**Compare** two sides")
    st.html(STYLE)
    present = [name for name in METRICS if view.documents[name].notna().any()]
    order = st.selectbox("Sorted", [NEAR, FAR, *present], key=key_of("order", view.language), width=220, bind="query-params")
    for place, column in enumerate(st.columns(2, gap="medium")):
        with column:
            name = st.selectbox(
                "Left side" if not place else "Right side", SIDES, 2 + place, key=f"side-{place}", bind="query-params"
            )
            _side(view, name, order, place)


def _side(view: View, name: str, order: str, place: int) -> None:
    rows = side(view, name, order)
    if rows.empty:
        note(f"No document of this language is {name}." if name in TYPES else f"No document is {name}.")
        return
    pages = -(-len(rows) // PAGE)
    page = st.pagination(pages, key=f"page-{place}-{name}-{view.language}-{len(rows)}") if pages > 1 else 1
    shown = rows.iloc[PAGE * (page - 1) : PAGE * page]
    for (number, row), text in zip(shown.iterrows(), view.texts.texts([int(one) for one in shown.index]), strict=True):
        st.html(card_html(row, text, order))
        if st.button("Read it", key=f"read-{place}-{number}", type="tertiary"):
            open_document(str(row["id"]))
            st.rerun()
    cut = f"; the first {MOST_SAVED:,} are saved" if len(rows) > MOST_SAVED else ""
    note(f"{len(rows):,} documents{cut}.")
    st.download_button(
        "This side (JSONL)", lambda: as_jsonl(view, rows.head(MOST_SAVED)), f"side_{place + 1}.jsonl",
        "application/x-ndjson", key=f"get_side_{place}", on_click="ignore",
    )  # fmt: skip


def card_html(row: pd.Series, text: str, order: str) -> str:
    """One document: its name, type and scores, and how it begins."""
    chips = [f"{name.upper()} {row[name]:.2f}" for name in ("coh", "csn", "cpx") if pd.notna(row[name])]
    chips += [f"margin {row['margin']:.3f}"] if pd.notna(row["margin"]) else []
    chips += [f"{order} {row[order]:.4f}"] if order in METRICS and pd.notna(row[order]) else []
    chips += [f"was {row['before']}"] if isinstance(row["before"], str) and row["before"] != row["type"] else []
    shown = "".join(f"<span>{escape(chip)}</span>" for chip in chips)
    return (
        f'<div class="lab-card"><b>{escape(str(row["id"])[:120])}</b> {type_chip(row["type"])}'
        f'<div class="lab-chips">{shown}</div><p>{escape(text[:_SHORT])}</p></div>'
    )


def as_jsonl(view: View, rows: pd.DataFrame) -> str:
    """Documents with their scores and texts, one JSON object a line."""
    texts = view.texts.texts([int(number) for number in rows.index])
    lines = []
    for row, text in zip(rows.to_dict("records"), texts, strict=True):
        plain = {str(name): None if pd.isna(value) else value for name, value in row.items() if name != "rejected"}
        lines.append(json.dumps({**plain, "text": text}, ensure_ascii=False, default=str))
    return "".join(f"{line}\n" for line in lines)
