"""The borders between types as a reader moves them: cuts of one reference, or raw thresholds, and what they change."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from training.longtext.ranks import Levels
from training.longtext.thresholds import Reference, Thresholds
from training.longtext.types import Cuts

DIMENSIONS = {"coh": "coherence", "csn": "cohesion", "cpx": "extreme complexity"}
"""What COH, CSN and CPX are called on the screen."""


class Group(NamedTuple):
    """Documents that have the same borders."""

    reference: str
    """Language and domain, `en/all`."""
    basis: str
    """Dimensions that exist, `coherence+cohesion+complexity`."""
    documents: int

    @property
    def name(self) -> str:
        """For links: without the count."""
        return f"{self.reference} {self.basis}"


def groups(documents: pd.DataFrame) -> list[Group]:
    """The groups of documents that have a type, the largest first."""
    counts = documents.dropna(subset=["type"]).groupby(["reference", "type_basis"]).size().sort_values(ascending=False)
    return [Group(str(reference), str(basis), int(count)) for (reference, basis), count in counts.items()]


def reference_of(thresholds: Thresholds, name: str) -> Reference:
    """The reference of that name. Raises UserError if there is none."""
    language, _, domain = name.partition("/")
    return thresholds.reference(language, domain)


def with_cuts(thresholds: Thresholds, group: Group, cuts: Cuts) -> Thresholds:
    """The same with other cuts for one group."""
    held = reference_of(thresholds, group.reference)
    return _replaced(thresholds, held, replace(held, cuts={**held.cuts, group.basis: cuts}))


def with_levels(thresholds: Thresholds, reference: str, levels: dict[str, Levels]) -> Thresholds:
    """The same with raw thresholds for one reference: two values a metric, those that are not given as the cuts say."""
    held = reference_of(thresholds, reference)
    raw = held.raw()
    return _replaced(thresholds, held, replace(raw, scales={**raw.scales, **levels}))


def _replaced(thresholds: Thresholds, old: Reference, new: Reference) -> Thresholds:
    return replace(thresholds, references=tuple(new if one is old else one for one in thresholds.references))


def levels_of(thresholds: Thresholds, reference: str) -> dict[str, Levels]:
    """The raw thresholds at which the ranks of each metric cross the cuts."""
    scales = reference_of(thresholds, reference).raw().scales
    return {name: one for name, one in scales.items() if isinstance(one, Levels)}


def retyped(documents: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """The documents with the types that other thresholds give them."""
    found = thresholds.type(documents)
    return documents.assign(**{name: found[name] for name in found})


def moved(cuts: Cuts, low: float, high: float, extreme: float) -> Cuts:
    """Cuts as sliders have them; what a slider's step alone changed stays exact, and `high` is not below `low`."""
    near = {"low": low, "high": max(low, high), "extreme": extreme}
    kept = {name: getattr(cuts, name) if abs(getattr(cuts, name) - value) <= 5e-4 else value for name, value in near.items()}
    return Cuts(**kept | {"high": max(kept["low"], kept["high"])})
