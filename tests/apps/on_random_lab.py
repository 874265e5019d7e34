"""The circuits app on the random lab, for AppTest and the browser."""

import sys
from pathlib import Path

import streamlit as st

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

from random_lab import RandomLab  # noqa: E402

from apps.circuits_panels import opening, page, presets  # noqa: E402


@st.cache_resource
def _lab() -> RandomLab:
    return RandomLab(features=120)


opening.open_lab = _lab
presets.FILE = Path(__file__).parent / "games.json"
page.main()
