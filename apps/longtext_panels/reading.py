"""One document to read: its text, scores and evidence, whether it is of a run or was given by the reader."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from apps.longtext_panels.repeats import repeated_spans
from apps.longtext_panels.view import View
from training.longtext.sentences import Span
from training.longtext.thresholds import Reference

SEGMENT = 3_000
"""Characters of a segment, about."""


@dataclass(frozen=True)
class Reading:
    """What the panel shows."""

    name: str
    text: str
    language: str
    scores: pd.Series
    """The columns of a run's scores."""
    evidence: dict[str, Any]
    reference: Reference | None
    """What its ranks are taken in; None for a text without a type."""
    facts: tuple[str, ...] = ()

    @cached_property
    def segments(self) -> list[Span]:
        """Parts of about equal length that end at line ends, where there are some, or at spaces."""
        return cut(self.text)

    @cached_property
    def repeats(self) -> list[Span]:
        """Passages that stand in the text more than once."""
        return repeated_spans(self.text, self.language)

    @property
    def windows(self) -> list[dict[str, Any]]:
        """Windows that the language model read; none where coherence was not computed."""
        found: list[dict[str, Any]] = self.evidence.get("windows", [])
        return found

    @property
    def boundaries(self) -> list[dict[str, Any]]:
        """Between units of text, how surely they are tied."""
        found: list[dict[str, Any]] = self.evidence.get("boundaries", [])
        return found

    def segment_at(self, place: int) -> int:
        """Number of the segment in which a character lies."""
        return next((number for number, (_, end) in enumerate(self.segments) if place < end), len(self.segments) - 1)


def of_run(view: View, number: int) -> Reading:
    """A document of a run, by its number; its scores are those of the view, whose borders may be moved."""
    row = view.documents.loc[number]
    facts = [f"{name}: {row[name]}" for name in view.texts.metadata if isinstance(row[name], str)]
    reference = None
    if view.thresholds is not None and isinstance(row["type_basis"], str):
        reference = view.thresholds.reference(row["language"], row["domain"])
    text, evidence = view.texts.texts([number])[0], view.texts.evidence(number)
    return Reading(str(row["id"]), text, view.language, row, evidence, reference, (f"domain {row['domain']}", *facts))


def cut(text: str, size: int = SEGMENT) -> list[Span]:
    """Spans that cover the text, each of `size` characters or, up to half as many more, to the next line end or space."""
    found, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            furthest = end + size // 2
            places = (text.find(mark, end, furthest) for mark in ("\n", "。", ". ", " "))
            end = next((place + 1 for place in places if place >= 0), end)
        if len(text) - end < size // 4:
            end = len(text)
        found.append((start, min(end, len(text))))
        start = end
    return found or [(0, 0)]
