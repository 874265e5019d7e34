"""Panel E: what is selected, to read: terms, neighbours, metadata, example documents, and the reader's own mark."""

from __future__ import annotations

import json
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from apps.clusters_panels.corpus import Corpus, groups
from apps.clusters_panels.selection import Selection, choose_cluster
from apps.shell.page import note, plain

PAGE = 5
"""Documents on a page."""
EXAMPLES = {"Most typical": "medoids", "At its border": "borderline", "Random": "random"}
MARKS = ["useful", "noisy"]
_MARKS = "_marks"
_SHORT, _LONG = 320, 6_000
STYLE = """<style>
.lab-terms span {border: 1px solid rgba(128, 128, 128, .4); border-radius: .4rem; padding: 0 .4rem; font-size: .84rem;
  margin: 0 .25rem .25rem 0; display: inline-block}
.lab-doc {border-left: 3px solid rgba(128, 128, 128, .4); padding: .1rem 0 .1rem .6rem; margin-bottom: .55rem;
  font-size: .86rem}
.lab-doc b {font-weight: 600; overflow-wrap: anywhere}
.lab-doc i {font-style: normal; opacity: .7; font-size: .78rem}
.lab-doc p, .lab-doc pre {margin: .15rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font: inherit;
  line-height: 1.35}
.lab-doc summary {cursor: pointer; opacity: .75; font-size: .78rem}
.lab-mix {display: grid; grid-template-columns: minmax(4rem, auto) 1fr 6.4rem; gap: .1rem .5rem; font-size: .82rem;
  align-items: center}
.lab-mix u {text-decoration: none; background: #1f78c8; height: .6rem; display: block}
</style>"""


def marks() -> dict[int, tuple[str, str]]:
    """The reader's mark and note of each cluster that has one, in this session."""
    return st.session_state.setdefault(_MARKS, {})


def show(corpus: Corpus, selection: Selection) -> None:
    """Draw the panel."""
    st.html(STYLE + f"<b>{escape(selection.name[0].upper() + selection.name[1:])}</b>")
    if not len(selection.numbers):
        _nothing(corpus, selection)
        return
    if selection.kind == "cluster" and selection.cluster is not None:
        _cluster(corpus, selection.cluster)
    _mix(corpus, selection)
    _examples(corpus, selection)
    if selection.kind == "cluster" and selection.cluster is not None:
        _mark(selection.cluster)


def _nothing(corpus: Corpus, selection: Selection) -> None:
    if selection.kind == "search":
        note(f"No text and no id of the {len(corpus.documents):,} documents has these words here.")
    elif selection.cluster is not None and corpus.table["duplicates"][selection.cluster]:
        note(f"All its {corpus.table['duplicates'][selection.cluster]} documents repeat others; none can be drawn.")
    else:
        note("This cluster is empty: k-means found no document nearest to its centroid.")


def _cluster(corpus: Corpus, cluster: int) -> None:
    row = corpus.table.loc[cluster]
    copies = f", {row['duplicates']:,} near-duplicates beside them" if row["duplicates"] else ""
    note(
        f"{row['size']:,} documents ({row['share']:.1%}){copies} · mean similarity to the centroid "
        f"{row['similarity']:.2f} · mean length {row['characters']:,.0f} characters"
    )
    terms = "".join(f"<span>{escape(term)}</span>" for term in corpus.run.clusters["terms"][cluster])
    st.html(f'<div class="lab-terms">{terms}</div>')
    near = dict(corpus.neighbours(cluster))
    if near:
        key = f"near-{cluster}"
        st.pills(
            "Nearest clusters (cosine of centroids)",
            list(near),
            key=key,
            format_func=lambda one: plain(f"{one} · {corpus.table['label'][one].split(', ')[0]} {near[one]:.2f}"),
            on_change=lambda: choose_cluster(st.session_state[key]),
        )


def _mix(corpus: Corpus, selection: Selection) -> None:
    if not corpus.categories or selection.everything:
        return
    chosen, whole = corpus.documents.iloc[selection.numbers], corpus.documents
    for column, name in zip(st.columns(len(corpus.categories[:2])), corpus.categories[:2], strict=True):
        column.html(mix_html(name, chosen[name], whole[name]))


def mix_html(name: str, chosen: pd.Series, whole: pd.Series) -> str:
    """Shares of a metadata column's commonest values, as bars, each beside its share of the whole corpus."""
    everywhere = whole.value_counts() / max(len(whole), 1)
    everywhere.index = everywhere.index.astype(str)
    rows = "".join(
        f"<span>{escape(value[:40])}</span><u style='width:{100 * share:.1f}%'></u>"
        f"<span>{share:.0%} (all: {everywhere.get(value, 0):.0%})</span>"
        for value, share in groups(chosen, most=4)
    )
    return f'<div class="lab-note">{escape(name)}</div><div class="lab-mix">{rows}</div>'


@st.fragment
def _examples(corpus: Corpus, selection: Selection) -> None:
    """Pages of documents; turning one leaves the rest of the page alone."""
    numbers = selection.numbers
    if selection.kind == "cluster" and selection.cluster is not None:
        kind = st.segmented_control(
            "Documents", [*EXAMPLES, "All"], default="Most typical", key="kind", required=True, label_visibility="collapsed"
        )
        if kind in EXAMPLES:
            numbers = np.array(corpus.numbers_of(corpus.run.clusters[EXAMPLES[kind]][selection.cluster]), np.int64)
    elif selection.everything:
        numbers = np.random.default_rng(0).choice(numbers, min(PAGE, len(numbers)), replace=False)
        note("A few at random. Choose a cluster, search, or draw around documents on the map to read others.")
    pages = -(-len(numbers) // PAGE)
    page = st.pagination(pages, key=f"page-{selection.kind}-{len(numbers)}") if pages > 1 else 1
    shown = numbers[PAGE * (page - 1) : PAGE * page]
    st.html("".join(document_html(corpus, row) for row in corpus.texts(shown).assign(number=shown).to_dict("records")))
    if not len(shown):
        note("There is none of this kind.")


def document_html(corpus: Corpus, row: dict) -> str:
    """One document: its name, what is known of it, and its text, escaped, cut where it is long."""
    known = corpus.documents.iloc[row["number"]]
    facts = [f"cluster {known['cluster']}", f"similarity {known['similarity']:.2f}", f"{known['characters']:,} characters"]
    facts += [f"{name} {known[name]}" for name in corpus.categories[:3]]
    facts += ["near-duplicate"] if known["duplicate"] else []
    text = row["text"]
    more = ""
    if len(text) > _SHORT:
        cut = f" … {len(text) - _LONG:,} characters more" if len(text) > _LONG else ""
        more = f"<details><summary>whole text</summary><pre>{escape(text[:_LONG])}{cut}</pre></details>"
    short = escape(text[:_SHORT]) + (" …" if more else "")
    return (
        f'<div class="lab-doc"><b>{escape(str(row["id"])[:120])}</b> <i>{escape(" · ".join(facts))}</i>'
        f"<p>{short}</p>{more}</div>"
    )


def _mark(cluster: int) -> None:
    mark, text = marks().get(cluster, (None, ""))
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        keys = f"mark-{cluster}", f"note-{cluster}"
        st.segmented_control(
            "Your mark",
            MARKS,
            default=mark,
            key=keys[0],
            on_change=_on_mark,
            args=(cluster, *keys),
            help="Saved with the exports.",
        )
        st.text_input("Note", text, key=keys[1], max_chars=300, on_change=_on_mark, args=(cluster, *keys))


def _on_mark(cluster: int, mark_key: str, note_key: str) -> None:
    mark, text = st.session_state[mark_key] or "", st.session_state[note_key].strip()
    if mark or text:
        marks()[cluster] = (mark, text)
    else:
        marks().pop(cluster, None)


def as_jsonl(corpus: Corpus, selection: Selection) -> str:
    """The selected documents with texts, metadata, cluster and the reader's mark of it, one JSON object a line."""
    known, noted = corpus.documents.iloc[selection.numbers], marks()
    rows = corpus.run.documents_at(np.asarray(selection.numbers)).to_pylist()
    lines = []
    for row, cluster, similarity in zip(rows, known["cluster"].tolist(), known["similarity"].tolist(), strict=True):
        mark, text = noted.get(cluster, ("", ""))
        extra = {"mark": mark, "note": text} if mark or text else {}
        placed = {**row, "cluster": cluster, "similarity": round(similarity, 4), **extra}
        lines.append(json.dumps(placed, ensure_ascii=False, default=str))
    return "".join(f"{line}\n" for line in lines)
