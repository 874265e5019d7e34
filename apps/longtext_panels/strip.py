"""A document from its beginning to its end as a strip that can be clicked: coherence, boundaries, repeats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from apps.longtext_panels.marked import weak_boundaries
from apps.longtext_panels.reading import Reading
from apps.shell.charts import SVG

MOST_TIES = 400
"""Boundaries drawn; of more, the weakest."""
MOST_REPEATS = 400
_FILES = Path(__file__).parent
_strip = st.components.v2.component(
    "interp_longtext_strip",
    html='<div class="strip"></div>',
    css=(_FILES / "strip.css").read_text(),
    js="\n".join(path.read_text() for path in (SVG, _FILES / "strip.js")),
)


def strip_data(reading: Reading, chosen: int) -> dict[str, Any]:
    """What the component draws."""
    weak = {place for place, _ in weak_boundaries(reading)}
    ties = sorted(reading.boundaries, key=lambda one: one["score"])[:MOST_TIES]
    return {
        "length": len(reading.text),
        "segments": [list(span) for span in reading.segments],
        "hints": [hint(reading, number) for number in range(len(reading.segments))],
        "chosen": chosen,
        "windows": [
            {
                "start": one["start"],
                "end": one["end"],
                "diff": one["diff"],
                "hint": f"gain {one['diff']:+.3f}: {one['acc_l']:.3f} with, {one['acc_s']:.3f} without the long context",
            }
            for one in reading.windows
        ],
        "unread": "not computed (needs a language model)",
        "ties": [
            {"at": one["at"], "score": one["score"], "weak": one["at"] in weak, "hint": f"tie {one['score']:.2f}"}
            for one in ties
        ],
        "repeats": [list(span) for span in reading.repeats[:MOST_REPEATS]],
    }


def hint(reading: Reading, number: int) -> str:
    """A segment in a line: where it lies, and what was found in it."""
    start, end = reading.segments[number]
    inside = [one["diff"] for one in reading.windows if one["start"] < end and one["end"] > start]
    ties = [one["score"] for one in reading.boundaries if start <= one["at"] < end]
    gain = f" · gain {sum(inside) / len(inside):+.3f}" if inside else ""
    tied = f" · ties {sum(ties) / len(ties):.2f}" if ties else ""
    return f"segment {number + 1} of {len(reading.segments)}, from character {start:,}{gain}{tied}"


def show(reading: Reading, chosen: int, *, key: str, on_segment: Callable[[int], None]) -> None:
    """Draw it; `on_segment` is called with the number of a segment that was clicked."""

    def picked() -> None:
        if (number := st.session_state[key].get("segment")) is not None:
            on_segment(int(number))

    _strip(key=key, data=strip_data(reading, chosen), on_segment_change=picked)
