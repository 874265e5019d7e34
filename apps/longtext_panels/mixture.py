"""Panel F: what training would see of each type: factors or shares, passes, and the schedule to take along."""

from __future__ import annotations

import shlex
from html import escape

import pandas as pd
import streamlit as st

from apps.longtext_panels.corpus import NAMES, LongTexts
from apps.longtext_panels.view import View
from apps.shell.page import note, plain
from interp.figures.longtext import COLOURS
from interp.runs.errors import UserError
from training.longtext.folder import GROUPS
from training.longtext.mix import Recipe, composition, mixture
from training.longtext.types import AGGREGATED, CHAOTIC, HOLISTIC, TYPES
from training.sampling.schedule import Schedule

_DEFAULT = Recipe()
FACTORS = {kind: f"u-{kind}" for kind in TYPES}
SHARES = {kind: f"share-{kind}" for kind in TYPES}
_WAYS = ["Factors", "Shares of the text"]
MOST_PASSES = 4.0
"""Passes over a type beyond which the panel warns: about four epochs are said to be nearly as good as fresh text."""
_STYLE = """<style>
.lab-stack {display: flex; height: 1.5rem; border-radius: .3rem; overflow: hidden; font-size: .76rem; margin: .1rem 0 .4rem}
.lab-stack span {background: var(--tint); color: var(--ink); text-align: center; overflow: hidden; white-space: nowrap;
  line-height: 1.5rem}
</style>"""


def kept_types() -> set[str]:
    """Types that the recipe of this session draws at all."""
    state = st.session_state
    if state.get("way") == _WAYS[1]:
        return {kind for kind in TYPES if state.get(SHARES[kind], 0) > 0}
    return {kind for kind in TYPES if state.get(FACTORS[kind], getattr(_DEFAULT, kind)) > 0}


def rebalanced(shares: dict[str, int], moved: str) -> dict[str, int]:
    """Shares in percent that sum to 100 again after one was moved: the others keep their proportion."""
    rest, others = 100 - shares[moved], [kind for kind in shares if kind != moved]
    held = sum(shares[kind] for kind in others)
    first = round(rest * (shares[others[0]] / held if held else 1.0))
    return {**shares, others[0]: first, **{kind: rest - first for kind in others[1:]}}


def factors_of(shares: dict[str, float], held: dict[str, float]) -> dict[str, float]:
    """Factors that give each type its share of the text, the holistic one 1 if it has a share; `held` is text of a type.

    Raises UserError for a share of a type that has no text.
    """
    if bare := [kind for kind, share in shares.items() if share > 0 and not held[kind]]:
        raise UserError(f"no document is {bare[0]}, so none of the text can be; accepted is a share of 0 for it")
    found = {kind: share / held[kind] if share else 0.0 for kind, share in shares.items()}
    unit = found[HOLISTIC] or max(found.values())
    return {kind: factor / unit for kind, factor in found.items()}


@st.fragment
def show(view: View) -> None:
    """Draw the panel; its controls rerun nothing else."""
    st.markdown("**Mixture**: what training would see")
    if view.texts.thresholds is None:
        note("This run has no types to mix: score it with thresholds.")
        return
    left, right = st.columns([1, 2.2], gap="medium")
    try:
        with left:
            schedule = _controls(view.texts)
        table = composition(view.texts.run, schedule)
    except UserError as error:
        left.error(plain(f"{error}."), icon=":material/error:")
        return
    with right:
        _shares(table)
    with left:
        _downloads(view, schedule)
    if view.changed.any():
        note("The mixture is of the types that the run gave: save the moved thresholds and score with them to mix by them.")


def _controls(texts: LongTexts) -> Schedule:
    way = st.segmented_control("Set by", _WAYS, default=_WAYS[0], key="way", required=True, bind="query-params")
    if way == _WAYS[0]:
        factors = {
            kind: st.slider(
                f"{kind.capitalize()} ×", 0.0, 4.0, getattr(_DEFAULT, kind), 0.25, key=FACTORS[kind], bind="query-params"
            )
            for kind in TYPES
        }
    else:
        factors = _share_sliders(texts)
    extra: tuple[tuple[str, float], ...] = ()
    if len(texts.languages) > 1:
        extra = (("zh", st.slider("Chinese, further ×", 0.0, 4.0, 1.0, 0.25, key="u-zh", bind="query-params")),)
    return mixture(texts.run, Recipe(**factors, languages=extra))


def _share_sliders(texts: LongTexts) -> dict[str, float]:
    """Three shares that sum to 100: moving one moves the others in proportion."""
    start = {HOLISTIC: 80, AGGREGATED: 20, CHAOTIC: 0}
    for kind in TYPES:
        st.session_state.setdefault(SHARES[kind], start[kind])
        st.slider(f"{kind.capitalize()}, %", 0, 100, key=SHARES[kind], on_change=_lock, args=(kind,))
    weight = "tokens" if texts.documents["tokens"].notna().all() else "bytes"
    held = texts.documents.groupby("type")[weight].sum()
    return factors_of(
        {kind: st.session_state[SHARES[kind]] / 100 for kind in TYPES}, {kind: float(held.get(kind, 0)) for kind in TYPES}
    )


def _lock(moved: str) -> None:
    shares = rebalanced({kind: st.session_state[SHARES[kind]] for kind in TYPES}, moved)
    for kind in TYPES:
        st.session_state[SHARES[kind]] = shares[kind]


def _shares(table: pd.DataFrame) -> None:
    unit = table["unit"].iloc[0]
    st.html(_STYLE + stack_html(table, "share_before", f"{unit} before") + stack_html(table, "share_after", f"{unit} after"))
    shown = table[table["documents"] > 0].drop(columns="unit")
    st.dataframe(
        shown.assign(
            language=shown["language"].map(NAMES),
            share_before=100 * shown["share_before"],
            share_after=100 * shown["share_after"],
        ),
        key="mixture",
        hide_index=True,
        height=36 * (len(shown) + 1) + 2,
        column_config={
            "documents": st.column_config.NumberColumn("Documents", format="localized", width=90),
            "draws": st.column_config.NumberColumn("Draws", format="%.0f", width=70),
            "passes": st.column_config.NumberColumn("Passes", format="%.2f", width=70, help="Times each document is seen."),
            "share_before": st.column_config.NumberColumn(f"% of {unit} before", format="%.1f"),
            "share_after": st.column_config.NumberColumn(f"% of {unit} after", format="%.1f"),
        },
    )
    often = shown[shown["passes"] > MOST_PASSES]
    if len(often):
        note(f"More than {MOST_PASSES:g} passes over {len(often)} groups: what is repeated so often teaches less each time.")
    total = table["share_after"].sum()
    note(f"Shares after sum to {total:.3f}. To drop chaotic and repeat aggregated text is the paper's; how often is ours.")


def stack_html(table: pd.DataFrame, column: str, title: str) -> str:
    """Shares of the types, all languages together, as one bar."""
    by_type = table.groupby("type")[column].sum()
    inks = {AGGREGATED: "#111"}  # white on amber is hard to read
    parts = "".join(
        f'<span style="--tint:{COLOURS[kind]};--ink:{inks.get(kind, "#fff")};width:{100 * by_type[kind]:.2f}%">'
        f"{escape(kind)} {by_type[kind]:.1%}</span>"
        for kind in TYPES
        if by_type[kind] > 0
    )
    return f'<div class="lab-note">{escape(title)}</div><div class="lab-stack">{parts}</div>'


def _downloads(view: View, schedule: Schedule) -> None:
    st.download_button(
        "Schedule (YAML)", schedule.text, "mixture.yaml", "application/yaml", key="get_mixture", on_click="ignore",
        type="primary", icon=":material/download:",
    )  # fmt: skip
    folder = shlex.quote(str(view.texts.run.path))
    factors = dict(zip(GROUPS, schedule.strategy.factors, strict=True))
    given = " ".join(f"--{kind} {factors['en', kind]:g}" for kind in TYPES)
    more = factors["zh", HOLISTIC] / factors["en", HOLISTIC] if factors["en", HOLISTIC] else 1.0
    st.caption("The same from the command line, and the resampled corpus:")
    st.code(
        f"interp longtext mix {folder} {given}{f' --language zh={more:g}' if more != 1 else ''} --out corpus.jsonl",
        language="bash",
        wrap_lines=True,
    )
