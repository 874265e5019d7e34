"""The same target through two dictionary sets: what each explains, leaves to errors, and ranks first."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.session import traced
from apps.circuits_panels.state import Screen
from apps.circuits_panels.target import set_name
from apps.shell.page import note
from interp.runs.errors import UserError


def summary(circuit: Circuit) -> dict[str, float]:
    """Numbers of a circuit that two sets can be compared by."""
    sources = circuit.nodes[circuit.nodes["kind"] != "target"]
    by_kind = sources.groupby("kind")["influence"].sum()
    total = max(float(by_kind.sum()), 1e-12)
    half = (sources["influence"].sort_values(ascending=False).cumsum() / total < 0.8).sum() + 1
    return {
        "value": circuit.value,
        "nodes": len(sources),
        "links": len(circuit.edges),
        "nodes for 80 % of influence": int(half),
        "influence of errors": float(by_kind.get("error", 0.0)) / total,
        "sum of features": circuit.sums.get("features", 0.0),
        "sum of errors": circuit.sums.get("errors", 0.0),
        "residual": circuit.residual,
    }


def show(lab: Lab, screen: Screen) -> None:
    """Draw the panel."""
    if screen.target.kind == "feature":
        note(
            "A feature belongs to one dictionary set. Choose a logit or an attention score to compare the sets."
        )
        return
    circuits = {}
    for name in lab.sets:
        try:
            circuits[name] = traced(lab, screen.shown, screen.target_text, name)
        except UserError as error:
            note(f"{set_name(name)}: {error}")
    table = pd.DataFrame({set_name(name): summary(circuit) for name, circuit in circuits.items()})
    table = table.map(
        lambda value: f"{value:,}" if isinstance(value, int) or value == int(value) else f"{value:.4g}"
    )
    st.dataframe(table, key="comparison")
    for column, (name, circuit) in zip(st.columns(max(len(circuits), 1)), circuits.items(), strict=False):
        features = circuit.nodes[circuit.nodes["kind"] == "feature"].nlargest(8, "influence")
        column.markdown(f"**{set_name(name)}: most influential features**")
        column.dataframe(
            features[["influence", "contribution", "label", "move"]],
            key=f"top-{name}",
            hide_index=True,
            column_config={
                "influence": st.column_config.NumberColumn("Influence", format="percent", width=70),
                "contribution": st.column_config.NumberColumn("Direct", format="%+.3f", width=70),
                "move": st.column_config.NumberColumn("Move", width=50),
            },
        )
