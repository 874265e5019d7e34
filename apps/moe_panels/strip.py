"""A text as tokens coloured by their expert, to be clicked: ringed if dropped, dotted if rectified, hollow if filled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from interp.figures.theme import NEUTRAL, SERIES

_FILES = Path(__file__).parent
_strip = st.components.v2.component(
    "interp_moe_strip",
    html='<div class="tokens" role="group" aria-label="tokens by expert"></div>',
    css=(_FILES / "strip.css").read_text(),
    js=(_FILES / "strip.js").read_text(),
)
_GOLDEN = 137.508
"""Degrees between the hues of consecutive experts, where there are more than the theme has colours."""


def tint(expert: int, experts: int) -> str:
    """Colour of an expert; its number stands beside it, as hues alone do not tell many apart."""
    if expert < 0:
        return NEUTRAL
    return SERIES[expert] if experts <= len(SERIES) else f"hsl({expert * _GOLDEN % 360:.0f} 62% 52%)"


def fate(row: Any) -> str:
    """What became of a choice, in a word."""
    return "kept" if row.kept else "filled in" if row.filled else "stand-in" if row.rectified else "dropped"


def strip_data(rows: pd.DataFrame, experts: int, chosen: int | None) -> dict[str, Any]:
    """What the component draws: rows of one text and layer, a token each position."""
    by_position: dict[int, list[Any]] = {}
    for row in rows.itertuples():
        by_position.setdefault(int(row.position), []).append(row)
    return {"tokens": [_token(*one, experts) for one in sorted(by_position.items())], "chosen": chosen}


def _token(position: int, choices: list[Any], experts: int) -> dict[str, Any]:
    """One token with all its choices, routes first in their order."""
    fates = [fate(row) for row in choices]
    expert = next((int(row.expert) for row, what in zip(choices, fates, strict=True) if what != "dropped"), -1)
    marks = {"filled in": "filled", "stand-in": "rectified", "dropped": "dropped"}
    told = (f"expert {row.expert} {row.probability:.2f} {what}" for row, what in zip(choices, fates, strict=True))
    text = str(choices[0].token)
    return {
        "position": position,
        "text": text.replace("\n", "⏎") or "·",
        "expert": str(expert) if expert >= 0 else "–",
        "tint": tint(expert, experts),
        "marks": " ".join([*(marks[what] for what in sorted({*fates} - {"kept"})), *(["none"] if expert < 0 else [])]),
        "hint": f"position {position}: {'; '.join(told)}",
        "ends": "\n" in text,
    }


def key_html() -> str:
    """What the marks mean."""
    box = "display:inline-block;padding:0 .4rem;border-radius:3px;margin-right:.25rem"
    return (
        '<div class="lab-note" style="display:flex;flex-wrap:wrap;gap:.2rem .9rem">'
        f'<span><span style="{box};background:#0072b257">word<sub>0</sub></span> read by that expert</span>'
        f'<span><span style="{box};box-shadow:0 0 0 2px #d55e00">ring</span> a choice was dropped</span>'
        f'<span><span style="{box};box-shadow:inset 0 0 0 1.5px #009e73">hollow</span> filled in a free slot</span>'
        '<span><span style="display:inline-block;width:8px;height:8px;border-radius:50%;background:#b0508a;'
        'margin-right:.3rem"></span>a stand-in on its own rank</span><span>– no expert reads it</span></div>'
    )


def show(rows: pd.DataFrame, experts: int, chosen: int | None, *, key: str, on_token: Callable[[int], None]) -> None:
    """Draw it; `on_token` is called with the position of a token that was clicked."""

    def picked() -> None:
        if (position := st.session_state[key].get("position")) is not None:
            on_token(int(position))

    _strip(key=key, data=strip_data(rows, experts, chosen), on_position_change=picked)
