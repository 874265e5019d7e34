"""What is traced: a move's logit, a feature found by label or number, or a head's attention to an earlier move."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from apps.circuits_panels.lab import Lab, Reading
from apps.circuits_panels.session import attempt, bind, reading
from apps.circuits_panels.state import Screen, Target, legal_at
from apps.shell.page import note
from interp.othello.notation import SQUARE_OF_TOKEN, square_name

KINDS = {"logit": "Logit of a move", "feature": "Feature", "attention": "Attention score"}


def squares_by_probability(view: Reading, legal: list[int]) -> list[int]:
    """The 60 playable squares: legal ones first, each group by falling probability."""
    return sorted(SQUARE_OF_TOKEN.tolist(), key=lambda square: (square not in legal, -view.probabilities[square]))


def show(lab: Lab, screen: Screen) -> None:
    """Draw the picker; everything in it writes to the screen's target."""
    kind, detail, sets = st.columns([1.15, 1.6, 0.75], vertical_alignment="bottom")
    with kind:
        st.selectbox(
            "Trace",
            list(KINDS),
            format_func=KINDS.__getitem__,
            key=bind("kind", screen.target.kind),
            on_change=_on_kind,
        )
    with detail:
        if screen.target.kind == "logit":
            _logit(lab, screen)
        elif screen.target.kind == "feature":
            _feature(lab, screen)
        else:
            _attention(lab, screen)
    with sets:
        st.selectbox(
            "Dictionaries",
            list(lab.sets),
            format_func=set_name,
            key=bind("set", screen.set),
            on_change=_on_set,
        )
    if screen.target.kind == "feature":
        _search(lab, screen)


def set_name(name: str) -> str:
    """A dictionary set's name as shown."""
    return {"topk": "TopK", "l1": "ReLU-L1"}.get(name, name)


def _logit(lab: Lab, screen: Screen) -> None:
    view, legal = reading(lab, screen.shown), legal_at(screen)
    st.selectbox(
        "Move",
        squares_by_probability(view, legal),
        format_func=lambda square: (
            f"{square_name(square)} · {'legal' if square in legal else 'illegal'} · {view.probabilities[square]:.1%}"
        ),
        key=bind("square", screen.target.square),
        on_change=_on_square,
    )


def _feature(lab: Lab, screen: Screen) -> None:
    site, index = st.columns(2)
    site.selectbox("Site", list(lab.sites), key=bind("site", screen.target.site), on_change=_on_feature)
    index.number_input(
        "Number",
        0,
        lab.features - 1,
        key=bind("index", min(screen.target.index, lab.features - 1)),
        on_change=_on_feature,
    )


def _attention(lab: Lab, screen: Screen) -> None:
    layer, head, key = st.columns([1, 1, 1.4])
    layer.selectbox("Layer", range(len(lab.sites) // 2), key=bind("layer", screen.target.layer), on_change=_on_attention)
    head.selectbox("Head", range(lab.heads), key=bind("head", screen.target.head), on_change=_on_attention)
    key.selectbox(
        "Attends to",
        range(1, screen.ply + 1),
        format_func=lambda move: f"{move} · {square_name(screen.moves[move - 1])}",
        key=bind("attended", min(screen.target.key, screen.ply)),
        on_change=_on_attention,
    )


def _search(lab: Lab, screen: Screen) -> None:
    if missing := lab.cards_notice(screen.set):
        note(missing)
        return
    text, choice = st.columns([1, 1.9], vertical_alignment="bottom")
    words = text.text_input("Search by label", placeholder="c4 mine", key="search", max_chars=60)
    if not words.strip():
        return
    hits = lab.search(screen.set, words, screen.shown)
    if hits.empty:
        choice.caption("No label holds these words. Labels are like c4 is mine, c4 was just flipped, c4 is legal next.")
        return
    choice.selectbox(
        "Found",
        range(len(hits)),
        index=None,
        format_func=lambda row: _hit_text(hits, row),
        placeholder=f"{len(hits)} features, {int((hits['activation'] > 0).sum())} of them active here",
        key="hit",
        on_change=_on_hit,
        args=(hits,),
    )


def _hit_text(hits: pd.DataFrame, row: int) -> str:
    hit = hits.iloc[row]
    active = f" · active here {hit['activation']:.2f}" if hit["activation"] > 0 else ""
    return f"{hit['site']}/{hit['index']} · {hit['label']} · F1 {hit['f1']:.2f}{active}"


def _on_kind() -> None:
    kind = st.session_state["kind"]
    attempt(lambda now: replace(now, target=_usual(now, kind), node=None))


def _usual(screen: Screen, kind: str) -> Target:
    """The target to start from when another kind is chosen."""
    if kind == "logit":
        return Target("logit", square=(legal_at(screen) or [screen.shown[-1]])[0])
    return Target(kind, site="L2M", layer=1, key=max(screen.ply - 1, 1))


def _on_set() -> None:
    attempt(lambda now: replace(now, set=st.session_state["set"], node=None))


def _on_square() -> None:
    attempt(lambda now: replace(now, target=Target("logit", square=st.session_state["square"]), node=None))


def _on_feature() -> None:
    target = Target("feature", site=st.session_state["site"], index=int(st.session_state["index"]))
    attempt(lambda now: replace(now, target=target, node=None))


def _on_attention() -> None:
    state = st.session_state
    target = Target("attention", layer=state["layer"], head=state["head"], key=state["attended"])
    attempt(lambda now: replace(now, target=target, node=None))


def _on_hit(hits: pd.DataFrame) -> None:
    if (row := st.session_state["hit"]) is not None:
        hit = hits.iloc[row]
        target = Target("feature", site=str(hit["site"]), index=int(hit["index"]))
        attempt(lambda now: replace(now, target=target, node=None))
