"""What a session looks at: a language, its documents as the borders type them, which of them are chosen.

Controls keep their values in the session under the keys below, and those that make a link also in the address. Values that
belong to one language have a key a language, so that neither is ever held against the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Bool

from apps.longtext_panels.borders import Group, groups, levels_of, moved, reference_of, retyped, with_cuts, with_levels
from apps.longtext_panels.corpus import NAMES, LongTexts
from apps.shell.page import report
from training.longtext.ranks import Levels
from training.longtext.thresholds import Thresholds
from training.longtext.types import TYPES, Cuts

RUN, LANGUAGE, TYPE, DOMAIN, DOCUMENT = "run", "language", "type", "domain", "document"
GROUP, CUTS, RAW = "borders", ("low", "high", "extreme"), "raw"
EVERY = "every domain"
_RANGE, _LEVELS, _TURN, _STARTED = "_range", "_levels", "_plane_turn", "_started"


@dataclass(frozen=True)
class View:
    """What all panels of one run of the script show."""

    texts: LongTexts
    language: str
    documents: pd.DataFrame
    """Of the language, with the types that the borders give; `before` is the type that the run gave."""
    chosen: Bool[np.ndarray, " document"]
    """Which of them pass the filters."""
    thresholds: Thresholds | None
    """As they are moved."""
    group: Group | None
    """Whose borders can be moved."""

    @property
    def shown(self) -> pd.DataFrame:
        """The documents that pass the filters."""
        return self.documents[self.chosen]

    @property
    def changed(self) -> pd.Series:
        """Whether a document's type is another one than the run gave."""
        return self.documents["type"].fillna("") != self.documents["before"].fillna("")

    @property
    def cuts(self) -> Cuts | None:
        """The borders of the group."""
        if self.thresholds is None or self.group is None:
            return None
        return reference_of(self.thresholds, self.group.reference).cuts_for(self.group.basis)


def key_of(name: str, language: str) -> str:
    """Key of a control whose values belong to one language."""
    return f"{name}-{language}"


def start(texts: LongTexts) -> None:
    """At a session's beginning, open the document that the link names, in its language."""
    if st.session_state.setdefault(_STARTED, False):
        return
    st.session_state[_STARTED] = True
    if (number := document_number(texts)) is not None:
        st.session_state[DOCUMENT] = st.query_params[DOCUMENT]
        st.session_state[LANGUAGE] = NAMES[texts.documents.at[number, "language"]]


def view(texts: LongTexts, language: str) -> View:
    """The view that the session's controls ask for."""
    documents = texts.documents[texts.documents["language"] == language].copy()
    documents["before"] = documents["type"]
    group, thresholds = chosen_group(groups(documents), language), texts.thresholds
    if thresholds is not None and group is not None:
        asked = _asked(thresholds, group, language)
        if asked is not thresholds:
            documents, thresholds = retyped(documents, asked), asked
    return View(texts, language, documents, _filtered(documents, language), thresholds, group)


def chosen_group(found: list[Group], language: str) -> Group | None:
    """The group whose borders the session moves, or the largest."""
    named = {group.name: group for group in found}
    return named.get(st.session_state.get(key_of(GROUP, language), ""), found[0] if found else None)


def _asked(thresholds: Thresholds, group: Group, language: str) -> Thresholds:
    """Thresholds as the sliders or the table of raw values have them; the same object if nothing was moved."""
    if st.session_state.get(RAW):
        return with_levels(thresholds, group.reference, raw_levels(thresholds, group.reference))
    cuts = reference_of(thresholds, group.reference).cuts_for(group.basis)
    values = (st.session_state.get(key_of(name, language), getattr(cuts, name)) for name in CUTS)
    asked = moved(cuts, *values)
    return thresholds if asked == cuts else with_cuts(thresholds, group, asked)


def set_cuts(cuts: Cuts, language: str) -> None:
    """Put the sliders where these borders are."""
    for name in CUTS:
        st.session_state[key_of(name, language)] = float(getattr(cuts, name))


def raw_levels(thresholds: Thresholds, reference: str) -> dict[str, Levels]:
    """Raw thresholds of the session: the cuts' own, and what was typed over them."""
    edits = st.session_state.get(key_of(_LEVELS, reference), {})
    return {name: edits.get(name, one) for name, one in levels_of(thresholds, reference).items()}


def keep_levels(reference: str, levels: dict[str, Levels]) -> None:
    """Keep what was typed; nothing brings back the cuts' own."""
    st.session_state[key_of(_LEVELS, reference)] = levels


def _filtered(documents: pd.DataFrame, language: str) -> Bool[np.ndarray, " document"]:
    kept = np.ones(len(documents), bool)
    state: Any = st.session_state
    if types := [kind for kind in state.get(TYPE) or () if kind in TYPES]:
        kept &= documents["type"].isin(types).to_numpy()
    if (domain := state.get(key_of(DOMAIN, language)) or EVERY) != EVERY:
        kept &= (documents["domain"] == domain).to_numpy()
    if span := metric_range(language):
        kept &= documents[span[0]].between(*span[1:]).to_numpy()
    return kept


def metric_range(language: str) -> tuple[str, float, float] | None:
    """The metric and the range that documents must lie in, if one was chosen."""
    found: tuple[str, float, float] | None = st.session_state.get(key_of(_RANGE, language))
    return found


def set_metric_range(language: str, span: tuple[str, float, float] | None) -> None:
    """Choose documents by a metric; with None by no metric."""
    st.session_state[key_of(_RANGE, language)] = span


def clear_filters(language: str) -> None:
    """Look at all documents."""
    st.session_state[TYPE], st.session_state[key_of(DOMAIN, language)] = [], EVERY
    set_metric_range(language, None)
    forget_clicked()


def plane_key() -> str:
    """Key of the plane; another one after `forget_clicked`, which is how a chart forgets what was clicked."""
    return f"plane-{st.session_state.get(_TURN, 0)}"


def forget_clicked() -> None:
    """Forget the point that was clicked in the plane."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def document_number(texts: LongTexts) -> int | None:
    """The document that the session or the link names; one that the run has not is reported and forgotten."""
    asked = st.session_state.get(DOCUMENT, st.query_params.get(DOCUMENT))
    if not asked:
        return None
    found = texts.documents.index[texts.documents["id"] == asked]
    if len(found):
        return int(found[0])
    report(f"Document '{str(asked)[:60]}' ignored: {texts.name} has no scored document of that name.")
    open_document(None)
    return None


def open_document(name: str | None) -> None:
    """Read a document, and keep it in the address."""
    st.session_state[DOCUMENT] = name
    if name is None:
        st.query_params.pop(DOCUMENT, None)
    else:
        st.query_params[DOCUMENT] = name
