"""Opens the lab once for all sessions of a server."""

from __future__ import annotations

import streamlit as st

from apps.circuits_panels.lab import Lab


@st.cache_resource(show_spinner=False)
def open_lab() -> Lab:
    """The shipped model with its dictionaries. Raises UserError if their files cannot be read."""
    from apps.circuits_panels.othello_lab import OthelloLab

    return OthelloLab()
