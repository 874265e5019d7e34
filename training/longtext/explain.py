"""Why a document has the type it has: values, ranks, dimensions, cuts, the rule that fired, and where to look."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from training.longtext.folder import LongTextRun
from training.longtext.metrics import METRICS
from training.longtext.types import RULES

_SHOWN, _AROUND = 3, 60


def explain(run: LongTextRun, name: str) -> dict[str, Any]:
    """Everything that decided about one document of a scored run, as JSON can hold it.

    Raises UserError if the run has no such document.
    """
    row, evidence, text = run.scores.iloc[run.number_of(name)], run.evidence(name), run.text(name)
    told: dict[str, Any] = {"id": name, **_plain(row, ("language", "domain", "characters", "bytes", "long", "tokens"))}
    if isinstance(row["rejected"], str):
        return told | {"rejected": row["rejected"]}
    told |= {"metrics": _metrics(run, row, evidence), **_plain(row, ("type", "type_basis", "rule", "margin"))}
    if isinstance(row["rule"], str):
        told["because"] = RULES[row["rule"]]
    elif run.thresholds and not run.thresholds.find(row["language"], row["domain"]):
        told["because"] = run.thresholds.lacks(row["language"], row["domain"])
    told["dimensions"] = _plain(row, ("coh", "csn", "cpx"))
    if run.thresholds and isinstance(row["type_basis"], str):
        reference = run.thresholds.reference(row["language"], row["domain"])
        told["cuts"] = vars(reference.cuts_for(row["type_basis"]))
        told["reference"] = {"documents": reference.documents, "name": row["reference"]}
    return told | {"weakest": _weakest(evidence, text)}


def _plain(row: pd.Series, names: tuple[str, ...]) -> dict[str, Any]:
    """Values of a table's row as Python's own, missing ones as None."""
    return {name: None if pd.isna(row[name]) else getattr(row[name], "item", lambda n=name: row[n])() for name in names}


def _metrics(run: LongTextRun, row: pd.Series, evidence: dict[str, Any]) -> list[dict[str, Any]]:
    """Every metric with its rank in the reference, or why it is missing."""
    ranks: dict[str, float] = {}
    if run.thresholds and (reference := run.thresholds.find(row["language"], row["domain"])):
        ranks = reference.ranks(pd.DataFrame([row])).iloc[0].to_dict()
    missing = evidence.get("missing", {})
    found = []
    for name, metric in METRICS.items():
        value, rank = float(row[name]), ranks.get(name, math.nan)
        known = {"value": value, "rank": None if math.isnan(rank) else rank} if not math.isnan(value) else {}
        found.append({"name": name, "dimension": metric.dimension, "value": None, "rank": None, **known})
        found[-1] |= {"missing": missing[name]} if name in missing else {}
    return found


def _weakest(evidence: dict[str, Any], text: str) -> dict[str, list[dict[str, Any]]]:
    """The windows that gain least from context and the boundaries with the weakest ties: seams, if there are any."""
    windows = sorted(evidence.get("windows", []), key=lambda window: window["diff"])[:_SHOWN]
    ties = sorted(evidence.get("boundaries", []), key=lambda boundary: boundary["score"])[:_SHOWN]
    around = [{**tie, "text": text[max(tie["at"] - _AROUND, 0) : tie["at"] + _AROUND]} for tie in ties]
    return {"windows": windows, "boundaries": around}
