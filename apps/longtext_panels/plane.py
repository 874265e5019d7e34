"""Panel B: documents in the plane of what the rule reads, its borders, and how to move them."""

from __future__ import annotations

import json

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from apps.longtext_panels.borders import DIMENSIONS, Group, groups, reference_of
from apps.longtext_panels.corpus import LongTexts
from apps.longtext_panels.view import (
    CUTS,
    DOMAIN,
    EVERY,
    GROUP,
    RAW,
    TYPE,
    View,
    chosen_group,
    clear_filters,
    keep_levels,
    key_of,
    open_document,
    plane_key,
    raw_levels,
    set_cuts,
)
from apps.shell.charts import selectable_chart
from apps.shell.page import note
from interp.figures.longtext import decision_plane
from training.longtext.metrics import METRICS
from training.longtext.ranks import Levels
from training.longtext.types import TYPES, Cuts

_AXES = {name: f"{name.upper()}, {told}" for name, told in DIMENSIONS.items()} | {name: name for name in METRICS}
_SIDES = ("across", "up")
_TOLD = {
    "low": ("Low: chaotic texts lie below", "Chaotic texts are low in coherence and in cohesion."),
    "high": ("High: holistic texts lie above", "Holistic texts are high in both."),
    "extreme": ("Extreme: from here on complexity is", "Distance of a rank from the middle, 0 to 0.5."),
}


def filters(texts: LongTexts, language: str) -> None:
    """Which documents are looked at, and what the plane shows of them."""
    own = texts.documents[texts.documents["language"] == language]
    domains, found = sorted(own["domain"].unique()), axes(own)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        st.pills("Types", TYPES, selection_mode="multi", key=TYPE, bind="query-params")
        if len(domains) > 1:
            st.selectbox("Domain", [EVERY, *domains], key=key_of(DOMAIN, language), width=180, bind="query-params")
        for place, name in enumerate(_SIDES if len(found) > 1 else ()):
            key, told = key_of(name, language), _AXES.__getitem__
            st.selectbox(name.capitalize(), found, place, key=key, format_func=told, width=190, bind="query-params")
        st.button("Show everything", icon=":material/filter_alt_off:", key="clear", on_click=clear_filters, args=(language,))


def controls(texts: LongTexts, language: str) -> None:
    """The borders: sliders for the cuts on ranks, or a table of raw thresholds."""
    found = groups(texts.documents[texts.documents["language"] == language])
    if texts.thresholds is None or not found:
        note("This run has no types: it was scored with `--thresholds none`. Score it again with thresholds to get them.")
        return
    if len(found) > 1:
        _group_box(texts, language, found)
    group = chosen_group(found, language)
    if group is None:
        return
    cuts = reference_of(texts.thresholds, group.reference).cuts_for(group.basis)
    if st.toggle("Raw thresholds, two for each metric", key=RAW, bind="query-params"):
        _raw_table(texts, group)
    else:
        _sliders(cuts, language)
    st.button(
        "Borders as shipped",
        icon=":material/restart_alt:",
        key="reset",
        on_click=_reset,
        args=(cuts, language, group.reference),
    )


def _group_box(texts: LongTexts, language: str, found: list[Group]) -> None:
    named = {group.name: group for group in found}
    st.selectbox(
        "Borders of",
        list(named),
        key=key_of(GROUP, language),
        bind="query-params",
        on_change=_on_group,
        args=(texts, language, named),
    )


def _on_group(texts: LongTexts, language: str, named: dict[str, Group]) -> None:
    group = named.get(st.session_state[key_of(GROUP, language)])
    if group is not None and texts.thresholds is not None:
        set_cuts(reference_of(texts.thresholds, group.reference).cuts_for(group.basis), language)


def _sliders(cuts: Cuts, language: str) -> None:
    for name in CUTS:
        told, definition = _TOLD[name]
        st.slider(
            told,
            0.0,
            0.5 if name == "extreme" else 1.0,
            float(getattr(cuts, name)),
            0.01,
            key=key_of(name, language),
            help=definition,
            bind="query-params",
        )


def _raw_table(texts: LongTexts, group: Group) -> None:
    assert texts.thresholds is not None
    held = raw_levels(texts.thresholds, group.reference)
    table = pd.DataFrame([{"metric": name, "low": one.low, "high": one.high} for name, one in held.items()])
    edited = st.data_editor(
        table,
        key=f"levels-{group.reference}-{st.session_state.get('_reset', 0)}",
        hide_index=True,
        disabled=["metric"],
        height=36 * (len(table) + 1) + 2,
        column_config={name: st.column_config.NumberColumn(name, format="%.4f", required=True) for name in ("low", "high")},
    )
    typed = {row.metric: Levels(float(row.low), float(row.high)) for row in edited.itertuples()}
    note("Below low a metric counts as low, from high on as high. A text's dimensions are means of that: 0, 1/2 or 1.")
    if typed != held:
        keep_levels(group.reference, typed)


def _reset(cuts: Cuts, language: str, reference: str) -> None:
    set_cuts(cuts, language)
    keep_levels(reference, {})
    st.session_state["_reset"] = st.session_state.get("_reset", 0) + 1


def axes(documents: pd.DataFrame) -> list[str]:
    """What the plane can show: dimensions and metrics that the documents have."""
    return [name for name in _AXES if name in documents and documents[name].notna().any()]


def show(view: View) -> None:
    """Draw the plane."""
    if len(axes(view.documents)) < 2:
        note("There is no plane to draw: documents of this language have fewer than two metrics.")
        return
    figure = plane_figure(view)
    selectable_chart(figure, key=plane_key(), on_select=lambda: _on_point(view.texts), modes=("points",))
    placed = int(view.documents[list(_axes(view))].notna().all(axis=1).sum())
    note(f"{placed:,} of {len(view.documents):,} documents have both. Click one to read it. {_told(view)}")


def _axes(view: View) -> tuple[str, str]:
    first, second = axes(view.documents)[:2]
    state = st.session_state
    return state.get(key_of(_SIDES[0], view.language), first), state.get(key_of(_SIDES[1], view.language), second)


def plane_figure(view: View, height: int = 410) -> go.Figure:
    """The plane that the session asks for; there must be two axes."""
    x, y = _axes(view)
    frame = view.documents[["id", "type", *dict.fromkeys((x, y))]].assign(number=view.documents.index)
    if not view.chosen.all():
        frame["chosen"] = view.chosen
    cuts = vars(view.cuts) if view.cuts else None
    return decision_plane(frame, x=x, y=y, names=_AXES, cuts=cuts, height=height)


def _told(view: View) -> str:
    types = view.documents["type"].value_counts(normalize=True)
    shares = ", ".join(f"{types.get(kind, 0):.1%} {kind}" for kind in TYPES)
    return f"{shares}; {int(view.changed.sum())} changed type."


def _on_point(texts: LongTexts) -> None:
    points = st.session_state[plane_key()]["selection"]["points"]
    numbers = [point["customdata"] for point in points if "customdata" in point]
    if numbers:
        number = numbers[0][0] if isinstance(numbers[0], list | tuple) else numbers[0]
        open_document(str(texts.documents.at[int(number), "id"]))


def thresholds_text(view: View) -> str:
    """The borders as they are moved, as `interp longtext score --thresholds FILE` reads them: JSON, which is YAML too."""
    assert view.thresholds is not None
    about = view.thresholds.about | {"moved_in": "apps/longtext.py", "changed": int(view.changed.sum())}
    return json.dumps(view.thresholds.settings() | {"about": about}, indent=1)
