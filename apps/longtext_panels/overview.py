"""Panel A: the documents in numbers; by domain and type, as the tables of the published corpus."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from apps.longtext_panels.view import DOMAIN, EVERY, View, forget_clicked, key_of
from apps.shell.bars import columns
from apps.shell.numbers import Metric, row_html
from apps.shell.page import note, plain
from training.longtext.metrics import METRICS
from training.longtext.types import TYPES

_TABLE = "domains"
_BINS = 24
_ABOUT = {
    "holistic": "Complete works: coherent, cohesive, of medium complexity.",
    "aggregated": "Many shorter pieces or fragments in one document.",
    "chaotic": "Text without meaning as a whole: incoherent, loose, of extreme complexity.",
}


def numbers(view: View) -> list[Metric]:
    """The row of numbers."""
    found = view.documents
    total = max(int(found["type"].notna().sum()), 1)
    tokens, characters = found["tokens"].sum(), found["characters"].sum()
    rows = [Metric("documents", len(found), f"{len(found):,}", "Scored documents of this language.")]
    if found["tokens"].notna().any():
        rows.append(Metric("tokens", float(tokens), _short(tokens), "Of the language model's tokenizer."))
    rows.append(Metric("characters", float(characters), _short(characters), "Of all documents of this language."))
    for kind in TYPES:
        count = int((found["type"] == kind).sum())
        rows.append(Metric(kind, count, f"{count:,} · {count / total:.0%}", _ABOUT[kind]))
    changed = int(view.changed.sum())
    rows.append(Metric("changed type", changed, f"{changed:,}", "Documents whose type the moved borders change."))
    rejected = len(view.texts.rejected)
    rows.append(Metric("not scored", rejected, f"{rejected:,}", "Of all languages: no text, too short, another language."))
    return rows


def _short(number: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def missing(view: View) -> dict[str, str]:
    """Metrics that no document of the language has, with what they need."""
    settings = view.texts.settings
    found = {}
    for name, metric in METRICS.items():
        if view.documents[name].notna().any():
            continue
        if view.language not in metric.languages:
            found[name] = f"not computed (needs a {metric.needs} of this language; ours is English)"
        elif settings.get("metrics") == "statistical" and metric.needs not in ("nothing", "tokenizer"):
            found[name] = f"not computed (needs a {metric.needs}: score with --metrics all)"
        else:
            found[name] = f"not computed (needs a {metric.needs} that knows this language, and a text as long as a window)"
    return found


def show_numbers(view: View) -> None:
    """Draw the row, and what was not computed."""
    st.html(row_html(numbers(view)))
    if absent := missing(view):
        by_reason: dict[str, list[str]] = {}
        for name, reason in absent.items():
            by_reason.setdefault(reason, []).append(name)
        note(" · ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()))


def by_domain(documents: pd.DataFrame) -> pd.DataFrame:
    """A row a domain: documents, tokens (or characters), and for each type documents and share of the text."""
    unit = "tokens" if documents["tokens"].notna().all() else "characters"
    rows = []
    for domain, group in documents.groupby("domain", sort=True):
        held = float(group[unit].sum())
        row = {"domain": domain, "documents": len(group), unit: int(held)}
        for kind in TYPES:
            own = group[group["type"] == kind]
            row |= {kind: len(own), f"{kind} share of {unit}": float(own[unit].sum()) / max(held, 1)}
        rows.append(row)
    return pd.DataFrame(rows)


def show_table(view: View) -> None:
    """Draw documents by domain and type; a click on a row looks at that domain."""
    table = by_domain(view.documents)
    unit = table.columns[2]
    shown = {kind: st.column_config.NumberColumn(kind.capitalize(), width=78, help=_ABOUT[kind]) for kind in TYPES}
    shares = {
        f"{kind} share of {unit}": st.column_config.ProgressColumn(
            f"{kind[:4]}. of {unit}", width=96, min_value=0, max_value=1
        )
        for kind in TYPES
    }
    names = table["domain"].tolist()
    st.dataframe(
        table,
        key=key_of(_TABLE, view.language),
        on_select=lambda: _on_row(view.language, names),
        selection_mode="single-row",
        hide_index=True,
        height=min(36 * (len(table) + 1) + 2, 260),
        column_config={
            "domain": st.column_config.TextColumn("Domain", width=150),
            "documents": st.column_config.NumberColumn("Docs", format="localized", width=58),
            unit: st.column_config.NumberColumn(unit.capitalize(), format="localized", width=92),
            **shown,
            **shares,
        },
    )
    st.html(lengths_html(view.documents))


def _on_row(language: str, names: list[str]) -> None:
    rows = st.session_state[key_of(_TABLE, language)]["selection"]["rows"]
    st.session_state[key_of(DOMAIN, language)] = names[rows[0]] if rows and rows[0] < len(names) else EVERY
    forget_clicked()


def lengths_html(documents: pd.DataFrame) -> str:
    """Lengths in characters, a column a step of a log axis."""
    logs = np.log10(np.maximum(documents["characters"].to_numpy(float), 1))
    if not len(logs):
        return ""
    low, high = np.floor(10 * logs.min()) / 10, np.ceil(10 * logs.max()) / 10
    counts = np.histogram(logs, _BINS, (low, max(high, low + 0.1)))[0]
    ends = (f"{10**low:,.0f}", f"{10 ** max(high, low + 0.1):,.0f} characters (log axis)")
    return columns(counts / max(counts.max(), 1), title=f"Lengths of {len(logs):,} documents", ends=ends)


def show_rejected(view: View) -> None:
    """List what was not scored."""
    rejected = view.texts.rejected
    if rejected:
        with st.expander(plain(f"{len(rejected)} rows were not scored")):
            st.dataframe(pd.DataFrame(rejected).head(500), hide_index=True, key="rejected")


def type_chip(kind: object) -> str:
    """A type as a coloured word."""
    from interp.figures.longtext import COLOURS

    name = str(kind) if isinstance(kind, str) else "none"
    told = name if name in TYPES else "no type"
    return f'<span class="lab-type" style="--tint:{COLOURS.get(name, COLOURS["none"])}">{escape(told)}</span>'
