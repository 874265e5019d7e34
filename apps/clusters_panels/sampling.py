"""Panel D: how often each document would be seen. Everything is recomputed from the clusters' sizes as a slider moves."""

from __future__ import annotations

import shlex
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.plan import NAMES, Plan, beside
from apps.shell.charts import chart
from apps.shell.exports import csv
from apps.shell.page import note
from interp.figures.clusters import coverage, repeats_by_size
from interp.figures.theme import NEGATIVE
from training.sampling.strategies import CLIP, KINDS, Strategy, Unit

UNITS: list[Unit] = ["draws", "tokens"]
_ABOUT = {
    "random": "Every document alike, pass after pass: common clusters dominate.",
    "uniform": "Every cluster alike, without a clip: small clusters are repeated without end.",
    "clusterclip": "Every cluster alike until its documents have been seen as often as the clip allows; then it is out.",
    "general_to_specific": "Common clusters first, rare ones later; our rule, as the paper's was not seen.",
    "specific_to_general": "Rare clusters first, common ones later; our rule, as the paper's was not seen.",
    "temperature": "Clusters in proportion to size to the power alpha: 1 is random, 0 uniform.",
}
_ALWAYS_CLIPPED, _NEVER_CLIPPED = ("clusterclip",), ("random", "uniform")


@st.fragment
def show(corpus: Corpus) -> None:
    """Draw the panel; its controls rerun nothing else."""
    st.markdown("**Sampling**: what training would see")
    left, right = st.columns([1, 2.9], gap="medium")
    with left:
        plan, seed = _controls(corpus)
    with right:
        _charts(plan)
    with left:
        _checks(plan)
        _downloads(corpus, plan, seed)
    with right:
        _clipped(corpus, plan)


def _controls(corpus: Corpus) -> tuple[Plan, int]:
    kind = st.selectbox(
        "Strategy",
        KINDS,
        index=KINDS.index("clusterclip"),
        key="strategy",
        format_func=NAMES.__getitem__,
        bind="query-params",
    )
    note(_ABOUT[kind])
    clip, then = None, "stop"
    if kind not in _NEVER_CLIPPED and (
        kind in _ALWAYS_CLIPPED or st.toggle("Clip repeats", True, key="clipped", bind="query-params")
    ):
        clip = st.slider("Clip: most times a document is seen", 1.0, 20.0, CLIP, 0.5, key="clip", bind="query-params")
        goes_on = st.toggle("When all are out, go on at random", key="goes_on", bind="query-params")
        then = "random" if goes_on else "stop"
    alpha = None
    if kind == "temperature":
        alpha = st.slider(
            "Temperature alpha: 0 clusters alike, 1 as documents lie", 0.0, 1.0, 0.5, 0.05, key="alpha", bind="query-params"
        )
    passes = st.slider("Budget, in passes over all documents", 0.1, 10.0, 3.0, 0.1, key="passes", bind="query-params")
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        unit = st.segmented_control("Counted in", UNITS, default="draws", key="unit", required=True, bind="query-params")
        order = st.selectbox(
            "Clusters",
            ["iid", "round_robin"],
            key="order",
            width=130,
            bind="query-params",
            help="Drawn independently, or in turns.",
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="seed", width=90, bind="query-params")
    strategy = Strategy.named(kind, clip=clip, alpha=alpha, order=order, on_exhausted=then)
    return Plan.of(corpus, strategy, passes=passes, unit=unit), int(seed)


def _charts(plan: Plan) -> None:
    plans = beside(plan)
    one, other = st.columns(2, gap="small")
    with one:
        st.markdown("Times each document is seen")
        chart(repeats_by_size(repeats_frame(plans), clip=plan.strategy.clip), key="repeats")
    with other:
        unit = plan.budget.unit
        st.markdown(f"Different documents seen after so many {unit}")
        chart(coverage(unique_frame(plans), clips=_clip_times(plan), x=unit), key="coverage")


def repeats_frame(plans: dict[str, Plan]) -> pd.DataFrame:
    """Expected repeats by cluster size for `repeats_by_size`, one row for clusters of the same size."""
    frames = [pd.DataFrame({"size": one.sizes, "repeats": one.repeats, "strategy": name}) for name, one in plans.items()]
    found = pd.concat(frames, ignore_index=True)
    return found[found["size"] > 0].drop_duplicates(["size", "strategy"])


def unique_frame(plans: dict[str, Plan]) -> pd.DataFrame:
    """Different documents along the budget for `coverage`."""
    return pd.concat([one.unique().assign(strategy=name) for name, one in plans.items()], ignore_index=True)


def _clip_times(plan: Plan) -> pd.DataFrame:
    """When clusters are knocked out within the budget, in draws or, read off the curve, in tokens."""
    clipped = np.array(plan.expected.clipped, int)
    draws = plan.expected.clip_times[clipped]
    curve = plan.unique()
    return pd.DataFrame({"cluster": clipped, "draws": draws, "tokens": np.interp(draws, curve["draws"], curve["tokens"])})


def _checks(plan: Plan) -> None:
    marks = {True: '<span style="color:#1a9c46">✓</span>', False: f'<span style="color:{NEGATIVE}">✗</span>'}
    lines = "".join(f"<div>{marks[one.holds]} {escape(one.text)}</div>" for one in plan.checks())
    st.html(f'<div class="lab-note lab-checks">{lines}</div>')


def _clipped(corpus: Corpus, plan: Plan) -> None:
    table = plan.table(corpus)
    out, seen = table[table["clipped"]], int(plan.unique()["unique"].iloc[-1])
    share = seen / max(corpus.balance.documents, 1)
    note(
        f"{plan.expected.draws:,.0f} draws show {seen:,} different documents ({share:.0%}); "
        f"{len(out)} of {len(table)} clusters are knocked out."
    )
    if out.empty:
        return
    st.dataframe(
        out.sort_values("knocked_out_after")[["cluster", "label", "size", "draws", "knocked_out_after"]],
        key="clips",
        hide_index=True,
        height=min(36 * (len(out) + 1) + 2, 200),
        column_config={
            "cluster": st.column_config.NumberColumn("No.", width=50),
            "label": st.column_config.TextColumn("Clusters that are knocked out", width="medium"),
            "size": st.column_config.NumberColumn("Documents", format="localized", width=90),
            "draws": st.column_config.NumberColumn("Expected draws", format="%.1f", width=110),
            "knocked_out_after": st.column_config.NumberColumn("Out after draws", format="%.0f", width=110),
        },
    )


def _downloads(corpus: Corpus, plan: Plan, seed: int) -> None:
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Schedule (YAML)",
            lambda: plan.schedule(corpus, seed=seed).text(),
            "schedule.yaml",
            "application/yaml",
            key="get_schedule",
            on_click="ignore",
            type="primary",
            icon=":material/download:",
        )
        st.download_button(
            "Expected (CSV)",
            lambda: csv(plan.table(corpus)),
            "expected.csv",
            "text/csv",
            key="get_expected",
            on_click="ignore",
        )
    folder = shlex.quote(str(corpus.run.path))
    st.caption("The resampled corpus from it:")
    st.code(f"interp sample export {folder} --schedule schedule.yaml --out corpus.jsonl", language="bash", wrap_lines=True)
