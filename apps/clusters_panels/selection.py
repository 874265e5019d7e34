"""What is looked at: everything, one cluster, what a search found, or what was drawn around on the map.

Controls keep their values in the session under the keys below, and those that make a link also in the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from apps.clusters_panels.corpus import Corpus
from apps.shell.page import report

CLUSTER, SEARCH, COLOUR, RUN = "cluster", "search", "colour", "run"
MOST_SEARCHED = 200
_TURN, _STARTED = "_map_turn", "_started"


@dataclass(frozen=True)
class Selection:
    """Documents that are looked at."""

    kind: str
    """all, cluster, search or map."""
    name: str
    numbers: np.ndarray
    """Documents, rising; near-duplicates are among them only if they were searched for or drawn around."""
    cluster: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing was selected."""
        return self.kind == "all"


def start(corpus: Corpus) -> None:
    """At a session's beginning, choose the cluster that the link names; one that is not there is reported."""
    if st.session_state.setdefault(_STARTED, False):
        return
    st.session_state[_STARTED] = True
    if (asked := st.query_params.get(CLUSTER)) is None:
        return
    if asked.isdecimal() and asked.isascii() and int(asked) < len(corpus.table):
        st.session_state[CLUSTER] = int(asked)
    else:
        report(f"Cluster '{asked[:40]}' of the link ignored: this run has clusters 0 to {len(corpus.table) - 1}.")


def write_link() -> None:
    """Keep the cluster in the address; the controls keep themselves there."""
    cluster = st.session_state.get(CLUSTER)
    if cluster is None:
        st.query_params.pop(CLUSTER, None)
    elif st.query_params.get(CLUSTER) != str(cluster):
        st.query_params[CLUSTER] = str(cluster)


def map_key() -> str:
    """Key of the map; another one after `clear_map`, which is how a chart forgets what was drawn around."""
    return f"map-{st.session_state.get(_TURN, 0)}"


def clear_map() -> None:
    """Forget what was drawn around on the map, if anything was."""
    if len(drawn_around(st.session_state.get(map_key()))):
        st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1


def clear_all() -> None:
    """Look at everything."""
    st.session_state[CLUSTER], st.session_state[SEARCH] = None, ""
    clear_map()


def choose_cluster(cluster: int | None) -> None:
    """Look at a cluster, or with None at no single one."""
    st.session_state[CLUSTER] = cluster
    clear_map()


def drawn_around(state: Any) -> np.ndarray:
    """Numbers of the documents in a chart's selection, rising."""
    points = state["selection"]["points"] if state else []
    return np.unique([_number(point["customdata"]) for point in points if "customdata" in point]).astype(np.int64)


def _number(data: Any) -> int:
    return int(data[0] if isinstance(data, list | tuple) else data)


@st.cache_data(max_entries=32, show_spinner=False)
def _found(_corpus: Corpus, path: str, changed: str, words: str) -> np.ndarray:
    """Documents with these words, searched once for all sessions."""
    return _corpus.search(words)


def selected(corpus: Corpus) -> Selection:
    """What the session looks at: the map before the search, the search within the cluster, if one is chosen."""
    cluster, words = st.session_state.get(CLUSTER), (st.session_state.get(SEARCH) or "").strip()
    around = drawn_around(st.session_state.get(map_key()))
    present = around[around < len(corpus.documents)]
    if len(present) < len(around):
        report(f"{len(around) - len(present)} selected documents are not in this run and were left out.")
    if len(present):
        return Selection("map", f"{len(present):,} documents from the map", present)
    if words:
        return _searched(corpus, words, cluster)
    if cluster is not None:
        return Selection("cluster", f"cluster {corpus.label(cluster)}", corpus.run.members(cluster), cluster)
    return Selection("all", "all documents", np.flatnonzero(~corpus.documents["duplicate"]))


def _searched(corpus: Corpus, words: str, cluster: int | None) -> Selection:
    numbers = _found(corpus, str(corpus.run.path), str(corpus.run.manifest.get("finished")), words)
    if cluster is not None:
        numbers = numbers[corpus.documents["cluster"].to_numpy()[numbers] == cluster]
    within = "" if cluster is None else f" in cluster {cluster}"
    return Selection("search", f"{len(numbers):,} documents with “{words}”{within}", numbers, cluster)
