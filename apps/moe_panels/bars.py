"""Panel C: what became of a layer's demand and slots, as recorded and as routed again, and the rules to do so."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.moe_panels.overview import sums_told
from apps.moe_panels.view import (
    CAPACITY,
    PRIORITY,
    ROUTER,
    K,
    View,
    capacities,
    capacity_text,
    choices_of_k,
    opening_router,
    told,
)
from apps.shell.charts import chart
from apps.shell.page import guarded, note
from interp.figures.moe import load_bars
from training.moe.health import COUNTS, by_expert, loads_of

_HELP = (
    "FR, fill-in: next choices use slots that would be padding. "
    "IR, intra-GPU: a token that lost a route goes to the best expert of its own rank."
)


def controls(view: View) -> None:
    """Rules to route the recorded logits by."""
    if view.rules is None or view.recorded is None:
        note(view.traffic.why_not(view.step, view.layer))
        return
    _, experts = view.traffic.sizes(view.step, view.layer)
    router = view.traffic.router(view.step, view.layer)
    ks = choices_of_k(router, experts)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.segmented_control(
            "Route again by", view.variants, default=opening_router(view.recorded, router), key=ROUTER, required=True,
            help=_HELP, bind="query-params",
        )  # fmt: skip
        st.selectbox("k", ks, ks.index(str(view.recorded.k)), key=K, width=76, bind="query-params")
        st.selectbox(
            "Fill first by", ["own", "top1"], int(view.recorded.fill == "top1"), key=PRIORITY, width=100,
            bind="query-params",
            help="Who fills a slot first: the higher probability of that choice, or of the token's first choice.",
        )  # fmt: skip
    st.select_slider(
        "Capacity, slots over tokens (c_eff)", list(capacities(view.recorded)), capacity_text(view.recorded.capacity),
        key=CAPACITY, bind="query-params",
    )  # fmt: skip


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


def counts_told(frame: pd.DataFrame) -> str:
    """What became of choices and slots, over all experts."""
    whole = frame[list(COUNTS)].sum(min_count=1)
    named = {"filled": "filled in", "rectified": "stand-ins", "padding": "empty slots"}
    return ", ".join(
        f"{whole[name]:,.0f} {named.get(name, name)}"
        for name in ("kept", "dropped", "filled", "rectified", "padding")
        if whole.notna()[name]
    )


@guarded
def show(view: View) -> None:
    """Draw the bars."""
    found = frames(view)
    chart(load_bars(found, chosen=view.expert), key="bars")
    where, traffic = (view.step, view.layer), view.traffic
    note(f"recorded, {told(view.recorded)}: {counts_told(found['recorded'])}. {sums_told(traffic.recorded_sums(*where))}")
    if view.rules is not None:
        sums = sums_told(traffic.replayed_sums(*where, view.rules))
        note(f"again, {told(view.rules)}: {counts_told(found['again'])}. {sums}")
    note("Up to the dashed line are an expert's slots on all ranks; dropped choices and stand-ins lie beyond it.")
