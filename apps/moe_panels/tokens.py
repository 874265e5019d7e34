"""Panel E: a text token by token, the routing record of one token, what an expert reads, and the domains of experts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from apps.moe_panels import domains, strip
from apps.moe_panels.view import AGAIN, POSITION, SHOWN, TEXT, View, choose, told
from apps.shell.bars import share_bars
from apps.shell.charts import chart
from apps.shell.page import guarded, note
from interp.figures.moe import co_activation
from interp.runs.errors import UserError
from training.moe.plan import scores_of
from training.moe.specialisation import co_activation as pairs
from training.moe.specialisation import top_tokens

PAGE = 400
"""Tokens shown at once."""
_COLUMNS = ("layer", "choice", "expert", "rank", "probability", "weight", "slot", "what became of it")


def show(view: View) -> None:
    """Draw the strip and, beside it, what is known of the token and of the expert."""
    if not view.routed:
        kept = ", ".join(map(str, view.traffic.records.routed_steps))
        note(f"Of this step only counts were kept, no tokens. {f'Steps with tokens: {kept}.' if kept else ''}")
        return
    try:
        view.traffic.routes(view.step)
    except UserError as error:
        note(f"{error}.")
        return
    _panel(view)


@st.fragment
@guarded
def _panel(view: View) -> None:
    """The panel; a click on a token leaves the rest of the page alone."""
    whole = view.traffic.routes(view.step)
    recorded = whole[whole["layer"] == view.layer]
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        text, again = _controls(view, recorded)
    rows = view.traffic.replayed_rows(view.step, view.layer, view.rules) if again else recorded
    position = _strip(view, rows[rows["sequence"] == text], again)
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        _token(view, whole, rows if again else None, text, position)
        domains.show(view)
    with right:
        _expert(view, rows)


def _strip(view: View, own: pd.DataFrame, again: bool) -> int:
    """Draw the page of the text on which the chosen token is; return its position."""
    places = sorted(own["position"].unique().tolist())
    position = st.session_state.get(POSITION, places[0])
    position = position if position in places else places[0]
    first = places.index(position) // PAGE * PAGE
    page = places[first : first + PAGE]
    shown, (_, experts) = own[own["position"].isin(page)], view.traffic.sizes(view.step, view.layer)
    strip.show(shown, experts, position, key="strip", on_token=lambda place: choose(position=place))
    st.html(strip.key_html())
    of = f"; tokens {first + 1} to {first + len(page)} of {len(places)}" if len(places) > PAGE else ""
    how = f"routed again by {told(view.rules)}" if again else "as recorded"
    note(f"Layer {view.layer}, {how}{of}. Click a token to read its record.")
    return int(position)


def _controls(view: View, rows: pd.DataFrame) -> tuple[int, bool]:
    texts = [str(text) for text in sorted(rows["sequence"].unique().tolist())]
    text = st.selectbox("Text", texts, key=TEXT, width=110, bind="query-params") or texts[0]
    if view.rules is None:
        return int(text), False
    shown = st.segmented_control(
        "Tokens", ["As recorded", AGAIN], default="As recorded", key=SHOWN, required=True, bind="query-params"
    )
    _position_box(rows[rows["sequence"] == int(text)])
    return int(text), shown == AGAIN


def _position_box(own: pd.DataFrame) -> None:
    """The same choice as a box to type into."""
    low, high = int(own["position"].min()), int(own["position"].max())
    now = min(max(st.session_state.get(POSITION, low), low), high)
    key = f"position-{now}"
    on_change = lambda: choose(position=int(st.session_state[key]))  # noqa: E731
    st.number_input("Position", low, high, now, key=key, width=130, on_change=on_change)


def _token(view: View, whole: pd.DataFrame, again: pd.DataFrame | None, text: int, position: int) -> None:
    """The token's routing record in every layer, and its gate in this one."""
    found = pd.concat([whole[whole["layer"] != view.layer], again]) if again is not None else whole
    own = found[(found["sequence"] == text) & (found["position"] == position)].sort_values(["layer", "choice"])
    fates = [strip.fate(row) for row in own.itertuples()]
    table = own.assign(**{"what became of it": fates})[list(_COLUMNS)].dropna(axis=1, how="all")
    st.dataframe(
        table, key="token", hide_index=True, height=min(36 * (len(table) + 1) + 2, 260),
        column_config={
            "probability": st.column_config.NumberColumn(format="%.3f", help="Of the router's softmax, or sigmoid."),
            "weight": st.column_config.NumberColumn(format="%.3f", help="Share in the token's output."),
            "choice": st.column_config.NumberColumn(help="0 is the first choice, -1 a stand-in."),
            "slot": st.column_config.NumberColumn(help="Place in the expert's buffer; -1 without one."),
        },
    )  # fmt: skip
    if reason := view.traffic.why_not(view.step, view.layer):
        note(reason)
    else:
        st.html(share_bars(_gate(view, text, position), title=f"Router of layer {view.layer} for this token, by expert"))


def _gate(view: View, text: int, position: int) -> dict[str, float]:
    found = view.traffic.replay(view.step, view.layer, None)
    who = found.recorded.tokens
    place = int(((who.sequence == text) & (who.position == position)).argmax())
    scores = scores_of(found.recorded.logits.flatten(0, 1)[place], found.routed.scoring)
    return {str(expert): float(score) for expert, score in enumerate(scores)}


def _expert(view: View, rows: pd.DataFrame) -> None:
    """What the chosen expert reads, and with whom."""
    _, experts = view.traffic.sizes(view.step, view.layer)
    table = top_tokens(rows, view.expert)
    note(f"Tokens that expert {view.expert} of layer {view.layer} reads most, of all texts of the step")
    st.dataframe(
        table, key="top", hide_index=True, height=220,
        column_config={
            "share": st.column_config.NumberColumn(format="percent", help="Share of the token's occurrences that it reads."),
            "lift": st.column_config.NumberColumn(format="%.2f", help="That share over the expert's share of all tokens."),
            "probability": st.column_config.NumberColumn(format="%.3f", help="Mean of the router's probability."),
        },
    )  # fmt: skip
    ratio = pairs(rows, experts)
    if ratio.notna().any().any() and experts <= 128:
        chart(co_activation(ratio, title="Pairs of experts that read the same token, over chance"), key="pairs")
