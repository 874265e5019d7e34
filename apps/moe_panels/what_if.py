"""Panel F: stored router logits under other rules: variants beside each other, moved tokens, bytes between ranks."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from apps.moe_panels.view import View, told
from apps.shell.charts import chart
from apps.shell.page import guarded, note
from interp.figures.moe import capacity_curves, token_moves
from training.moe.replay import STATES, moves, totals_of
from training.moe.rules import Rules
from training.moe.variants import variant

_ADDED, _MEASURE = "_variants", "measure"
_SWEEP = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
_MEASURES = {"Tokens no expert reads": "no expert", "Empty slots": "padding", "Rows that stand-ins add": "rectified"}
_MEGA = 1_000_000
MOST_ADDED = 12


def variants(view: View) -> dict[str, Rules | None]:
    """The recorded rules, the four routers at the controls' k and capacity, and what was added."""
    if view.rules is None:
        return {}
    found: dict[str, Rules | None] = {f"recorded: {told(view.recorded)}": None}
    found |= {told(rules): rules for rules in _asked_for(view).values()}
    return found | {_told_in_full(rules): rules for rules in st.session_state.get(_ADDED, [])}


def _asked_for(view: View) -> dict[str, Rules]:
    """The routers to compare, at the controls' k, capacity and priority."""
    assert view.rules is not None
    return {name: variant(name, view.rules, view.priority) for name in view.variants}


def _told_in_full(rules: Rules) -> str:
    return f"added: {told(rules)}{f', fill by {rules.fill}' if rules.fill != 'off' else ''}"


def table(view: View) -> pd.DataFrame:
    """A row a variant, over all layers of the step; Δ columns are against the recorded rules."""
    rows = []
    for name, rules in variants(view).items():
        sums = totals_of(view.traffic.totals(view.step, layer, rules) for layer in view.layers)
        tokens = max(sum(sums[state] for state in STATES), 1)
        rows.append({
            "variant": name,
            "drop": sums["dropped"] / max(sums["demand"], 1),
            "padding": sums["padding"] / max(sums["slots"], 1),
            **{state: sums[state] / tokens for state in STATES},
            "filled": sums["filled"],
            "rectified": sums["rectified"],
            **_between(sums),
        })  # fmt: skip
    found = pd.DataFrame(rows)
    return found.assign(**{f"Δ {name}": found[name] - found[name].iloc[0] for name in ("no expert", "padding")})


def _between(sums: dict[str, int]) -> dict[str, float]:
    """What goes to other ranks and comes back; rows one way where bytes are unknown."""
    if "sent_bytes" not in sums:
        return {"rows sent": sums["sent"], "useful rows": sums["useful"]}
    return {"MB sent": sums["sent_bytes"] / _MEGA, "useful MB": sums["useful_bytes"] / _MEGA}


def _between_told(view: View) -> str:
    sizes = view.traffic.records.passes.loc[view.step]["row_bytes"]
    if sizes.isna().any():
        return (
            "Rows sent to other ranks are whole buffers, useful ones hold a token; results come back the same way. "
            "Bytes are unknown, as these records do not have those of a row."
        )
    rows = " or ".join(f"{size:,.0f}" for size in sorted(sizes.unique()))
    return (
        "MB sent between ranks, summed over them, are whole buffers to the experts and back; useful ones hold tokens. "
        f"A row has {rows} bytes, as the model held it."
    )


@guarded
def show(view: View) -> None:
    """Draw the table, the moves, and curves over capacity."""
    if view.rules is None:
        note(view.traffic.why_not(view.step, view.layer))
        return
    found = table(view)
    share = {
        name: st.column_config.NumberColumn(name, format="percent", width=92)
        for name in ("drop", "padding", *STATES, "Δ no expert", "Δ padding")
    }
    size = {name: st.column_config.NumberColumn(name, format="%.2f", width=92) for name in ("MB sent", "useful MB")}
    st.dataframe(
        found, key="variants", hide_index=True,
        column_config={"variant": st.column_config.TextColumn(width=230), **share, **size},
    )  # fmt: skip
    note(
        "All layers of the step. Drop is before rectification; the next columns say how tokens fare after it. "
        f"{_between_told(view)} "
        "Only plans are computed: with other rules the model's outputs, and so later layers' logits, would be others too."
    )
    with st.container(horizontal=True, gap="small"):
        st.button("Add the rules of the controls", key="add", on_click=_add, args=(view.rules,))
        st.button("Forget what was added", key="forget", on_click=lambda: st.session_state.pop(_ADDED, None))
    left, right = st.columns(2, gap="medium")
    with left:
        flow = moves(
            view.traffic.replay(view.step, view.layer, None), view.traffic.replay(view.step, view.layer, view.rules)
        )
        chart(token_moves(flow, title=f"Tokens of layer {view.layer}: recorded, then {told(view.rules)}"), key="moves")
    with right:
        _curves(view)


def _add(rules: Rules) -> None:
    known = st.session_state.setdefault(_ADDED, [])
    if rules not in known and len(known) < MOST_ADDED:
        known.append(rules)


@st.fragment
@guarded
def _curves(view: View) -> None:
    """A measure over capacity, a line a router, of the layer at the controls' k."""
    measure = st.segmented_control(
        "Over capacity", list(_MEASURES), default="Tokens no expert reads", key=_MEASURE, required=True, bind="query-params"
    )
    chart(capacity_curves(sweep(view), y="share", name=str(measure).lower()), key="sweep")


def sweep(view: View) -> pd.DataFrame:
    """The chosen measure for each router at each capacity."""
    column = _MEASURES[st.session_state.get(_MEASURE, "Tokens no expert reads")]
    rows = []
    for name, rules in _asked_for(view).items():
        for capacity in _SWEEP:
            found = view.traffic.totals(view.step, view.layer, replace(rules, capacity=capacity))
            whole = {"padding": found["slots"], "rectified": found["demand"]}.get(
                column, sum(found[state] for state in STATES)
            )
            rows.append({"router": name, "capacity": capacity, "share": found[column] / max(whole, 1)})
    return pd.DataFrame(rows)
