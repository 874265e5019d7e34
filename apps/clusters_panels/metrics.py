"""Panel A: the corpus in numbers; a click on one tells how it is defined."""

from __future__ import annotations

import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.shell.numbers import Metric, row_html


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
    st.html(row_html(metrics(corpus)))
