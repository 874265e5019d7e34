"""Take it along: numbers, loads, the grid, routing records, variants, and how these records are made again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from apps.moe_panels import domains, grid, overview, what_if
from apps.moe_panels.view import View
from apps.shell.exports import csv, to_json


def show(view: View) -> None:
    """Draw the panel."""
    files: dict[str, tuple[str, str, Callable[[], str | bytes]]] = {
        "Health (JSON)": ("health.json", "application/json", lambda: health_json(view)),
        "Loads (CSV)": ("loads.csv", "text/csv", lambda: csv(_of_step(view))),
        "Grid (HTML)": ("grid.html", "text/html", lambda: grid.figure(view).to_html(include_plotlyjs=True)),
        "Training (Parquet)": ("training.parquet", "application/octet-stream", lambda: view.traffic.bands.to_parquet()),
    }
    if view.routed:
        lines = lambda: view.traffic.routes(view.step).to_json(orient="records", lines=True, double_precision=15)  # noqa: E731
        files["Routes of this step (JSONL)"] = ("routes.jsonl", "application/x-ndjson", lines)
    if len(view.traffic.records.domains):
        files["Domains (CSV)"] = ("domains.csv", "text/csv", lambda: csv(domains.table(view)))
    if view.rules is not None:
        files["Variants (CSV)"] = ("variants.csv", "text/csv", lambda: csv(what_if.table(view)))
    st.markdown("**Take it along**")
    with st.container(horizontal=True, gap="small"):
        for label, (name, mime, make) in files.items():
            st.download_button(label, make, name, mime, key=f"get_{name}", on_click="ignore")
    if command := view.traffic.records.manifest.get("command"):
        st.caption("How these records were made:")
        st.code(command, language="bash", wrap_lines=True)


def _of_step(view: View):
    loads = view.traffic.records.loads
    return loads[loads["step"] == view.step]


def health_json(view: View) -> str:
    """The row of numbers, and every layer's; what is unknown is null."""
    layers = view.traffic.over(view.steps)[1].reset_index()
    known = layers.astype(object).where(layers.notna(), None).to_dict("records")
    row = {one.name: None if one.value != one.value else float(one.value) for one in overview.numbers(view)}
    return to_json({"step": view.step, "steps": view.span, "numbers": row, "layers": known})
