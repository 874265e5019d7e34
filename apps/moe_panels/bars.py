"""Panel C: what became of a layer's demand and slots, as recorded and as routed again, and the rules to do so."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.moe_panels.overview import identities
from apps.moe_panels.view import (
    CAPACITY,
    PRIORITY,
    ROUTER,
    K,
    View,
    capacities,
    capacity_text,
    opening_router,
    told,
)
from apps.shell.charts import chart
from apps.shell.page import note
from interp.figures.moe import load_bars
from training.moe.health import COUNTS, by_expert, loads_of
from training.moe.variants import VARIANTS

_HELP = (
    "FR, fill-in: next choices use slots that would be padding. "
    "IR, intra-GPU: a token that lost a route goes to the best expert of its own rank."
)


def controls(view: View) -> None:
    """Rules to route the recorded logits by."""
    if view.rules is None or view.recorded is None:
        note(why_not(view))
        return
    _, experts = view.traffic.sizes(view.step, view.layer)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.segmented_control(
            "Route again by", list(VARIANTS), default=opening_router(view.recorded), key=ROUTER, required=True, help=_HELP,
            bind="query-params",
        )  # fmt: skip
        st.selectbox("k", [str(k) for k in range(1, experts + 1)], view.recorded.k - 1, key=K, width=76, bind="query-params")
        st.selectbox(
            "Fill first by", ["own", "top1"], int(view.recorded.fill == "top1"), key=PRIORITY, width=100,
            bind="query-params",
            help="Who fills a slot first: the higher probability of that choice, or of the token's first choice.",
        )  # fmt: skip
    st.select_slider(
        "Capacity, slots over tokens (c_eff)", capacities(view.recorded), capacity_text(view.recorded.capacity),
        key=CAPACITY, bind="query-params",
    )  # fmt: skip


def why_not(view: View) -> str:
    """Why nothing can be routed again."""
    if not view.traffic.records.replayable:
        return "Routing again is off: these records have no router logits. `interp moe record` stores them."
    steps = ", ".join(map(str, view.traffic.records.routed_steps))
    return f"Routing again is off at this step: only its counts were kept. Steps with logits: {steps}."


def frames(view: View) -> dict[str, pd.DataFrame]:
    """Counts of the layer's experts with the rank they live on, before and after."""
    loads = view.traffic.records.loads
    found = {"recorded": loads.query("step == @view.step and layer == @view.layer")[["expert", *COUNTS]]}
    if view.rules is not None:
        found["again"] = loads_of(view.traffic.replay(view.step, view.layer, view.rules).plan)
    ranks, experts = view.traffic.sizes(view.step, view.layer)
    return {
        name: by_expert(frame, ()).assign(rank=lambda table: table["expert"] // max(experts // ranks, 1))
        for name, frame in found.items()
    }


def show(view: View) -> None:
    """Draw the bars."""
    found = frames(view)
    chart(load_bars(found, chosen=view.expert), key="bars")
    for name, frame in found.items():
        sums = identities(frame[list(COUNTS)].sum(min_count=1).to_dict())
        rules = told(view.recorded if name == "recorded" else view.rules)
        note(
            f"{name}, {rules}: "
            + " · ".join(f"{text} {'✓' if holds else '✗ does not add up'}" for text, holds in sums.items())
        )
    note("Up to the dashed line are an expert's slots on all ranks; dropped choices and stand-ins lie beyond it.")
