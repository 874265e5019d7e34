"""The same target through the other dictionary set: what each explains, leaves to errors, and ranks first."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Circuit, Lab
from apps.circuits_panels.session import traced
from apps.circuits_panels.state import Screen
from apps.circuits_panels.target import set_name
from apps.shell.page import note
from interp.runs.errors import UserError

_TOP = 12


def summary(circuit: Circuit) -> dict[str, float]:
    """Numbers of a circuit that two sets can be compared by."""
    sources = circuit.nodes[circuit.nodes["kind"] != "target"]
    by_kind = sources.groupby("kind")["influence"].sum()
    total = max(float(by_kind.sum()), 1e-12)
    most = int((sources["influence"].sort_values(ascending=False).cumsum() / total < 0.8).sum()) + 1
    return {
        "value of the target": circuit.value,
        "nodes traced": len(sources),
        "links traced": len(circuit.edges),
        "nodes for 80 % of their influence": most,
        "influence of errors, %": 100 * float(by_kind.get("error", 0.0)) / total,
        **{f"sum of {part}": amount for part, amount in circuit.sums.items()},
        "residual": circuit.residual,
    }


def matched(lab: Lab, circuits: dict[str, Circuit], one: str, other: str) -> pd.DataFrame:
    """The most influential features of set `one`, each with the nearest of `other` and that one's influence there."""
    features = circuits[one].nodes[circuits[one].nodes["kind"] == "feature"].nlargest(_TOP, "influence")
    shares = dict(zip(circuits[other].nodes["id"], circuits[other].nodes["influence"], strict=True))
    rows = []
    for row in features.itertuples():
        near = lab.counterpart(one, row.site, row.index, other)
        node = f"{row.site}/{near.number}@{row.move}"
        rows.append((row.influence, f"{row.label} @{row.move}", node.split("@")[0], near.cosine, shares.get(node)))
    return pd.DataFrame(rows, columns=["influence", "feature", "nearest", "cosine", "there"])


def show(lab: Lab, screen: Screen) -> None:
    """Draw the panel."""
    if len(lab.sets) < 2:
        note(f"Only the set {set_name(lab.sets[0])} is installed; a second one is needed to compare with.")
        return
    others = [name for name in lab.sets if name != screen.set]
    other = others[0] if len(others) == 1 else st.selectbox("Compare with", others, format_func=set_name, key="other")
    circuits = {}
    for name in (screen.set, other):
        try:
            circuits[name] = traced(lab, screen.shown, _target_in(lab, screen, name), name)
        except UserError as error:
            note(f"{set_name(name)}: {error}")
            return
    numbers, features = st.columns([1, 1.7], gap="medium")
    with numbers:
        table = pd.DataFrame({set_name(name): summary(circuit) for name, circuit in circuits.items()})
        st.dataframe(table.map(_number), key="comparison", height="content")
    with features:
        for here, there in ((screen.set, other), (other, screen.set)):
            _matches(matched(lab, circuits, here, there), here, there)


def _target_in(lab: Lab, screen: Screen, name: str) -> str:
    """The target in another set: of a feature, the one that writes most nearly in its direction."""
    target = screen.target
    if target.kind != "feature" or name == screen.set:
        return screen.target_text
    near = lab.counterpart(screen.set, target.site, target.index, name)
    note(
        f"A feature belongs to one set; nearest in {set_name(name)}: {target.site}/{near.number}, cosine {near.cosine:.2f}."
    )
    return replace(target, index=near.number).text(screen.ply)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def _matches(table: pd.DataFrame, here: str, there: str) -> None:
    st.dataframe(
        table,
        key=f"matches-{here}",
        hide_index=True,
        height=250,
        column_config={
            "influence": st.column_config.NumberColumn("Influence", format="percent", width=70),
            "feature": st.column_config.TextColumn(set_name(here)),
            "nearest": st.column_config.TextColumn(f"Nearest in {set_name(there)}", width=90),
            "cosine": st.column_config.NumberColumn("Cosine", format="%.2f", width=60),
            "there": st.column_config.NumberColumn(
                "Its influence", format="percent", width=80, help="Empty: not in that circuit."
            ),
        },
    )
