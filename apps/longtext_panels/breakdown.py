"""How a document's type came about, term by term: values, ranks, weights, COH, CSN and CPX, the rule that fired."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

import numpy as np
import pandas as pd

from apps.longtext_panels.overview import type_chip
from apps.longtext_panels.reading import Reading
from training.longtext.metrics import METRICS
from training.longtext.types import COHERENCE, COHESION, COMPLEXITY, MODELLED, RULES

STYLE = """<style>
.lab-terms-table {border-collapse: collapse; width: 100%; font-size: .82rem; font-variant-numeric: tabular-nums}
.lab-terms-table td, .lab-terms-table th {padding: .13rem .4rem; text-align: right; font-weight: 400;
  border-bottom: 1px solid rgba(128, 128, 128, .18)}
.lab-terms-table td:first-child, .lab-terms-table th:first-child {text-align: left}
.lab-terms-table th {opacity: .7}
.lab-terms-table .sum td {font-weight: 650; border-bottom: 1px solid rgba(128, 128, 128, .5)}
.lab-terms-table abbr {text-decoration: none; border-bottom: 1px dotted currentColor; cursor: help}
.lab-terms-table .none {opacity: .7; text-align: left; font-style: italic}
.lab-bar {display: inline-block; position: relative; width: 4.2rem; height: .6rem; background: rgba(128, 128, 128, .18)}
.lab-bar u {position: absolute; left: 0; top: 0; bottom: 0; background: #1f78c8}
.lab-bar i {position: absolute; top: -.15rem; bottom: -.15rem; width: 1px; background: currentColor}
.lab-type {border-left: .5rem solid var(--tint); padding-left: .35rem; font-weight: 600}
.lab-verdict {font-size: .9rem; line-height: 1.45; margin-bottom: .4rem}
@media (max-width: 640px) {.lab-bar {width: 2.6rem} .lab-terms-table td, .lab-terms-table th {padding: .13rem .2rem}}
</style>"""
_WEIGHTS = {
    "coh": COHERENCE,
    "csn": dict.fromkeys(COHESION, 1.0),
    "cpx": dict.fromkeys(COMPLEXITY, 1.0),
}
_SAYS = {
    "coh": "COH, coherence: weighted mean of the ranks",
    "csn": "CSN, cohesion: mean of the ranks",
    "cpx": "CPX, complexity: the larger distance of a rank from 0.5",
}


class Term(NamedTuple):
    """A metric in the formula of its dimension."""

    metric: str
    value: float
    rank: float
    """In the reference; NaN where it does not count."""
    part: float
    """What it gives to the dimension: weight times rank, or for complexity the distance from the middle."""
    missing: str
    """Why it was not computed; empty if it was."""


def terms(reading: Reading) -> dict[str, list[Term]]:
    """The terms of each dimension; those of COH and CSN sum to it."""
    ranks = _ranks(reading)
    found = {}
    for dimension, weights in _WEIGHTS.items():
        total = sum(weight for name, weight in weights.items() if np.isfinite(ranks[name])) or 1.0
        found[dimension] = [
            Term(
                name,
                float(reading.scores[name]),
                ranks[name],
                abs(ranks[name] - 0.5) if dimension == "cpx" else weight * ranks[name] / total,
                _missing(reading, name),
            )
            for name, weight in weights.items()
        ]
    return found


def _ranks(reading: Reading) -> dict[str, float]:
    """NaN for what does not count; without coherence no model metric does, as the cuts for such texts have none."""
    known = dict.fromkeys(METRICS, float("nan"))
    if reading.reference is None:
        return known
    row = pd.DataFrame([reading.scores[list(METRICS)].astype(float)])
    found = known | reading.reference.ranks(row).iloc[0].to_dict()
    return found if any(np.isfinite(found[name]) for name in COHERENCE) else found | dict.fromkeys(MODELLED, float("nan"))


def _missing(reading: Reading, name: str) -> str:
    if not pd.isna(reading.scores[name]):
        return ""
    reason = str(reading.evidence.get("missing", {}).get(name, "no reason is known"))
    return f"not computed (needs a {METRICS[name].needs}: {reason.removeprefix('needs a ')})"


def verdict_html(reading: Reading) -> str:
    """The type, why, and how near another one is."""
    row = reading.scores
    if not isinstance(row["type"], str):
        return (
            '<div class="lab-verdict"><b>No type</b>: no thresholds were applied, or nothing they read was computed.</div>'
        )
    rule = str(row["rule"])
    nearest = f"Nearest border {row['margin']:.3f} away." if np.isfinite(row["margin"]) else ""
    basis = str(row["type_basis"]).replace("+", ", ")
    before = row.get("before", row["type"])
    moved = f" The run gave {escape(str(before))}; the moved borders changed it." if before != row["type"] else ""
    return (
        f'<div class="lab-verdict">{type_chip(row["type"])}, by the rule “{escape(rule)}”: {escape(RULES.get(rule, ""))}. '
        f"{nearest} Read from {escape(basis)}.{moved}</div>"
    )


def table_html(reading: Reading) -> str:
    """The terms as a table; the bar is the rank, with ticks where the borders are."""
    rows = []
    for dimension, found in terms(reading).items():
        rows += [*map(_row, found), _sum(reading, dimension, found)]
    head = "<tr><th>metric</th><th>value</th><th>rank</th><th>gives</th></tr>"
    return f'<table class="lab-terms-table">{head}{"".join(rows)}</table>'


def _sum(reading: Reading, dimension: str, found: list[Term]) -> str:
    """What the terms of a dimension come to, and its borders."""
    total = float(reading.scores[dimension])
    if np.isnan(total):
        computed = any(not term.missing for term in found)
        told = "not read by the thresholds, which were fitted without it" if computed else "not computed"
        return f'<tr class="sum"><td>{_SAYS[dimension]}</td><td class="none" colspan="3">{told}</td></tr>'
    cuts = reading.reference.cuts_for(reading.scores["type_basis"]) if reading.reference else None
    limits = () if cuts is None else (cuts.extreme,) if dimension == "cpx" else (cuts.low, cuts.high)
    told = ("extreme above " if dimension == "cpx" else "low / high ") + " / ".join(f"{limit:.2f}" for limit in limits)
    borders = f'<tr><td class="none" colspan="4">{told}</td></tr>' if limits else ""
    bar = _bar(total, limits)
    return f'<tr class="sum"><td colspan="2">{_SAYS[dimension]}</td><td>{bar}</td><td>{total:.3f}</td></tr>{borders}'


def _row(term: Term) -> str:
    metric = METRICS[term.metric]
    name = f'<abbr title="{escape(metric.definition)} Source: {escape(metric.source)}.">{term.metric}</abbr>'
    if term.missing:
        return f'<tr><td>{name}</td><td class="none" colspan="3">{escape(term.missing)}</td></tr>'
    if np.isnan(term.rank):
        return f'<tr><td>{name}</td><td>{term.value:.4f}</td><td class="none" colspan="2">does not count</td></tr>'
    rank = f"{_bar(term.rank)} {term.rank:.2f}"
    return f"<tr><td>{name}</td><td>{term.value:.4f}</td><td>{rank}</td><td>{term.part:.3f}</td></tr>"


def _bar(share: float, ticks: tuple[float, ...] = ()) -> str:
    marks = "".join(f'<i style="left:{100 * tick:.1f}%"></i>' for tick in ticks)
    return f'<span class="lab-bar" title="{share:.3f}"><u style="width:{100 * min(share, 1):.1f}%"></u>{marks}</span>'


def counts_html(reading: Reading) -> str:
    """The commonest pronouns and connectives, and statistics of the lines."""
    parts = []
    for name in ("connectives", "pronouns"):
        found = reading.evidence.get(name, {})
        if isinstance(found, dict):
            most = sorted(found.items(), key=lambda pair: -pair[1])[:8]
            told = ", ".join(f"{escape(str(word))} {count}" for word, count in most) or "none"
            parts.append(f"<b>{name}</b> {sum(found.values()):,}: {told}")
        else:
            parts.append(f"<b>{name}</b> {found:,}")
    if lines := reading.evidence.get("lines"):
        parts.append(
            f"<b>lines</b> {lines['lines']:,}, of {lines['mean']:.0f} characters in the mean, {lines['longest']:,} at most"
        )
    return f'<div class="lab-note">{"<br>".join(parts)}</div>'
