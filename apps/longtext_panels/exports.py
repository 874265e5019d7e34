"""Take it along: numbers, scores, the plane, the thresholds as they are moved, and how this run is made again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from apps.longtext_panels.overview import by_domain, numbers
from apps.longtext_panels.plane import plane_figure, thresholds_text
from apps.longtext_panels.view import View
from apps.shell.exports import csv, to_json


def show(view: View) -> None:
    """Draw the panel."""
    files: dict[str, tuple[str, str, Callable[[], str]]] = {
        "Numbers (JSON)": (
            "numbers.json",
            "application/json",
            lambda: to_json({one.name: one.value for one in numbers(view)}),
        ),
        "By domain (CSV)": ("domains.csv", "text/csv", lambda: csv(by_domain(view.documents))),
        "Scores (CSV)": ("scores.csv", "text/csv", lambda: csv(view.shown.drop(columns=["rejected"]))),
        "Plane (HTML)": ("plane.html", "text/html", lambda: plane_figure(view, height=700).to_html(include_plotlyjs=True)),
    }
    if view.thresholds is not None:
        files["Thresholds (YAML)"] = ("thresholds.yaml", "application/yaml", lambda: thresholds_text(view))
    st.markdown("**Take it along**")
    with st.container(horizontal=True, gap="small"):
        for label, (name, mime, make) in files.items():
            st.download_button(label, make, name, mime, key=f"get_{name}", on_click="ignore")
    st.caption("Score with the thresholds as they are moved; the run's metrics are kept, only its types change:")
    command = view.texts.run.manifest.get("command", "interp longtext score corpus.jsonl --out runs/mine")
    st.code(f"{command} --thresholds thresholds.yaml", language="bash", wrap_lines=True)
