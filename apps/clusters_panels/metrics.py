"""Panel A: the corpus in numbers; a click on one tells how it is defined."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import streamlit as st

from apps.clusters_panels.corpus import Corpus

STYLE = """<style>
.lab-metrics {display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: .4rem; align-items: start}
.lab-metrics details {border: 1px solid rgba(128, 128, 128, .35); border-radius: .5rem; padding: .3rem .55rem}
.lab-metrics summary {cursor: pointer; list-style: none; line-height: 1.2}
.lab-metrics summary::-webkit-details-marker {display: none}
.lab-metrics b {display: block; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums}
.lab-metrics span {font-size: .76rem; opacity: .75; border-bottom: 1px dotted currentColor}
.lab-metrics p {font-size: .78rem; margin: .3rem 0 0; line-height: 1.3; opacity: .85}
</style>"""


class Metric(NamedTuple):
    """One number, and what it means."""

    name: str
    value: float
    text: str
    definition: str


def metrics(corpus: Corpus) -> list[Metric]:
    """The numbers of the row, in its order; those that the run does not hold are left out."""
    shape, facts = corpus.balance, corpus.facts
    duplicates = int(corpus.documents["duplicate"].sum())
    found = [
        Metric(
            "documents", shape.documents, f"{shape.documents:,}", "That can be drawn: near-duplicates are not among them."
        ),
        Metric(
            "near-duplicates",
            duplicates,
            f"{duplicates:,}",
            "Repeat another document; they have a cluster but never are drawn.",
        ),
        Metric("clusters", shape.clusters, f"{shape.clusters:,}", "k of the k-means, empty ones included."),
        Metric(
            "empty", shape.empty, f"{shape.empty:,}", "Clusters that no document belongs to; left out of all ratios here."
        ),
        Metric(
            "Gini of sizes",
            shape.gini,
            f"{shape.gini:.3f}",
            "0 if all clusters are alike, towards 1 if one holds everything.",
        ),
        Metric(
            "entropy",
            shape.entropy,
            f"{shape.entropy:.3f}",
            "Of a random document's cluster, over its largest possible value: 1 if all clusters are alike.",
        ),
        Metric(
            "effective k",
            shape.effective,
            f"{shape.effective:.1f}",
            "exp of the entropy: as many equal clusters would be as hard to guess.",
        ),
        Metric("largest", shape.largest, f"{shape.largest:.1%}", "Share of the documents in the largest cluster."),
    ]
    if (inertia := facts.get("inertia")) is not None:
        found.append(
            Metric("inertia", inertia, f"{inertia:.3f}", "Mean of 1 - cosine of a document to its cluster's centroid.")
        )
    if (silhouette := facts.get("silhouette")) is not None:
        found.append(
            Metric(
                "silhouette",
                silhouette,
                f"{silhouette:.3f}",
                "Mean over a sample: near 1 if clusters lie apart, near 0 if they touch.",
            )
        )
    return found


def show(corpus: Corpus) -> None:
    """Draw the row."""
    cells = "".join(
        f"<details><summary><b>{escape(one.text)}</b><span>{escape(one.name)}</span></summary><p>{escape(one.definition)}</p></details>"
        for one in metrics(corpus)
    )
    st.html(f'{STYLE}<div class="lab-metrics">{cells}</div>')
