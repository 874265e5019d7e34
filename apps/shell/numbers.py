"""A row of numbers; a click on one tells how it is defined."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

_STYLE = """<style>
.lab-metrics {display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: .4rem; align-items: start}
.lab-metrics details {border: 1px solid rgba(128, 128, 128, .35); border-radius: .5rem; padding: .3rem .55rem}
.lab-metrics summary {cursor: pointer; list-style: none; line-height: 1.2}
.lab-metrics summary::-webkit-details-marker {display: none}
.lab-metrics b {display: block; font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums}
.lab-metrics span {font-size: .76rem; opacity: .75; border-bottom: 1px dotted currentColor}
.lab-metrics p {font-size: .78rem; margin: .3rem 0 0; line-height: 1.3; opacity: .85}
</style>"""


class Metric(NamedTuple):
    """One number, and what it means."""

    name: str
    value: float
    text: str
    definition: str


def row_html(numbers: Iterable[Metric]) -> str:
    """The row."""
    cells = "".join(
        f"<details><summary><b>{escape(one.text)}</b><span>{escape(one.name)}</span></summary><p>{escape(one.definition)}</p></details>"
        for one in numbers
    )
    return f'{_STYLE}<div class="lab-metrics">{cells}</div>'
