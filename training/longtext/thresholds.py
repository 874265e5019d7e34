"""Thresholds of the types as a JSON file: for each language and domain the metrics' scales and the cuts of the rule.

They are fitted once, on sources that the file names (`training.longtext.fit`), and only applied when texts are scored:
a text's type does not depend on what it is scored together with. A domain that was not fitted takes its language's
domain `all`. Two files come with the package:

    constructed         cuts that tell apart documents of known type (`training.longtext.truth`), the default
    published_shares    cuts at which the types have the published shares, on installed documentation: for corpora
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from interp.runs.atomic import write_json
from interp.runs.errors import UserError
from training.longtext.ranks import Levels, Quantiles, Scale, scale
from training.longtext.types import COHERENCE, COHESION, COMPLEXITY, DIMENSIONS, Cuts, Dimensions, Typed, assign, dimensions

EVERY = "all"
"""The domain that stands for all of a language."""
NONE = "none"
"""What a user says who wants no types."""
SHIPPED = Path(__file__).parent / "thresholds"
PRESETS = ("constructed", "published_shares")
VERSION = 1
_BY_LEVEL = Cuts(low=0.25, high=0.75, extreme=0.25)
"""Borders between the three levels of raw thresholds."""


@dataclass(frozen=True)
class Reference:
    """What texts of one language and domain are held against."""

    language: str
    domain: str
    scales: dict[str, Scale]
    """By metric; a metric without one does not count."""
    cuts: dict[str, Cuts]
    """By basis: the cuts of texts of which these dimensions exist."""
    documents: int = 0
    """How many it was fitted to."""
    fitted: dict[str, Any] = field(default_factory=dict)
    """How: sources, method, shares or accuracy that were reached."""

    def ranks(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Ranks of the metrics of texts, the columns that have a scale."""
        named = {name: one.rank(scores[name].to_numpy(float)) for name, one in self.scales.items() if name in scores}
        return pd.DataFrame(named, index=scores.index)

    def dimensions(self, scores: pd.DataFrame) -> Dimensions:
        """COH, CSN and CPX of texts; the sign of diff counts only where diff has a scale."""
        known = "coherence_diff" in self.scales and "coherence_diff" in scores
        return dimensions(
            self.ranks(scores), scores["coherence_diff"].to_numpy(float) if known else np.full(len(scores), np.nan)
        )

    def cuts_for(self, basis: str | None) -> Cuts:
        """The cuts of a basis; of one that was not fitted, those of the fitted one with most dimensions in common."""
        wanted = set((basis or "").split("+"))
        return self.cuts[max(self.cuts, key=lambda name: (len(wanted & {*name.split("+")}), -len(name.split("+"))))]

    def raw(self) -> Reference:
        """The same as raw thresholds: for each metric the values at which its rank crosses the cuts."""
        cuts = self.cuts_for("+".join(DIMENSIONS))

        def levels(name: str, one: Quantiles) -> Scale:
            low, high = (0.5 - cuts.extreme, 0.5 + cuts.extreme) if name in COMPLEXITY else (cuts.low, cuts.high)
            return Levels(one.value_at(low), one.value_at(high))

        scales = {name: levels(name, one) if isinstance(one, Quantiles) else one for name, one in self.scales.items()}
        return replace(self, scales=scales, cuts=dict.fromkeys(self.cuts, _BY_LEVEL))


@dataclass(frozen=True)
class Thresholds:
    """All that types depend on."""

    references: tuple[Reference, ...]
    scorer: dict[str, str] = field(default_factory=dict)
    """What the metrics were (`ScorerOptions.scale`): those of another model are on another scale."""
    about: dict[str, Any] = field(default_factory=dict)
    """How the file came about: command, seed, versions."""

    def find(self, language: str, domain: str = EVERY) -> Reference | None:
        """The reference of a domain, or else of its language; None if there is neither: such texts get no type."""
        found = {(one.language, one.domain): one for one in self.references}
        return found.get((language, domain)) or found.get((language, EVERY))

    def reference(self, language: str, domain: str = EVERY) -> Reference:
        """The same; raises UserError if there is none."""
        if (found := self.find(language, domain)) is None:
            raise UserError(self.lacks(language, domain))
        return found

    def lacks(self, language: str, domain: str = EVERY) -> str:
        """Why texts of a language and domain without a reference have no type."""
        known = ", ".join(f"{one.language}/{one.domain}" for one in self.references) or "none"
        return f"the thresholds have no reference for {language}/{domain}; they have {known}"

    @property
    def reads_windows(self) -> bool:
        """Whether types depend on the coherence, and so on its windows."""
        return any(name in COHERENCE for one in self.references for name in one.scales)

    def type(self, scores: pd.DataFrame) -> pd.DataFrame:
        """For texts with columns `language`, `domain` and the metrics: reference, type, type_basis, rule, margin, coh,
        csn, cpx, in the same index. A text without a language, or of one without a reference, gets none of them."""
        parts = []
        for (language, domain), group in scores.groupby(["language", "domain"], dropna=True, sort=False):
            if (reference := self.find(str(language), str(domain))) is None:
                continue
            found = reference.dimensions(group)
            typed = _typed(reference, found)
            columns = {"type": typed.type, "type_basis": typed.basis, "rule": typed.rule, "margin": typed.margin}
            columns |= {"coh": found.coh, "csn": found.csn, "cpx": found.cpx}
            parts.append(pd.DataFrame({"reference": f"{reference.language}/{reference.domain}", **columns}, group.index))
        empty = pd.DataFrame(columns=["reference", *TYPED_WORDS, *TYPED_NUMBERS])
        return (pd.concat(parts) if parts else empty).reindex(scores.index)

    def settings(self) -> dict[str, Any]:
        """For JSON."""
        rows = [
            {
                "language": one.language,
                "domain": one.domain,
                "documents": one.documents,
                "cuts": {basis: vars(cuts) for basis, cuts in one.cuts.items()},
                "fitted": one.fitted,
                "scales": {name: metric.settings() for name, metric in one.scales.items()},
            }
            for one in self.references
        ]
        return {"version": VERSION, "scorer": self.scorer, "about": self.about, "references": rows}

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        write_json(path, self.settings())

    @classmethod
    def read(cls, name: str | Path) -> Thresholds:
        """The shipped ones of that name, or those of a file. Raises UserError for a file that holds none."""
        path = SHIPPED / f"{name}.json" if str(name) in PRESETS else Path(name)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["version"] != VERSION:
                raise UserError(f"{path} has version {found['version']}; accepted is {VERSION}")
            return cls(tuple(_references(found["references"])), found["scorer"], found["about"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            told = f"{type(error).__name__}: {error}"
            accepted = f"{', '.join(PRESETS)}, {NONE}, or a file that `interp longtext fit` wrote"
            raise UserError(f"{path} holds no thresholds ({told}); accepted are {accepted}") from None


TYPED_WORDS = ("type", "type_basis", "rule")
TYPED_NUMBERS = ("margin", "coh", "csn", "cpx")
"""Columns that `Thresholds.type` gives beside the reference."""


def _typed(reference: Reference, found: Dimensions) -> Typed:
    """Every text by the cuts of its basis."""
    basis = found.basis
    typed = {name: assign(found, reference.cuts_for(name)) for name in dict.fromkeys(basis)}
    pick = [typed[name] for name in basis]
    return Typed(
        [one.type[row] for row, one in enumerate(pick)],
        basis,
        [one.rule[row] for row, one in enumerate(pick)],
        np.array([one.margin[row] for row, one in enumerate(pick)]),
    )


def _references(rows: Iterable[dict[str, Any]]) -> Iterable[Reference]:
    for row in rows:
        scales = {name: scale(one) for name, one in row["scales"].items()}
        if strangers := {*scales} - {*COHERENCE, *COHESION, *COMPLEXITY}:
            raise ValueError(f"there is no metric {min(strangers)}")
        cuts = {basis: _cuts(basis, one) for basis, one in row["cuts"].items()}
        if not cuts:
            raise ValueError("a reference has no cuts")
        yield Reference(row["language"], row["domain"], scales, cuts, row["documents"], row["fitted"])


def _cuts(basis: str, row: dict[str, float]) -> Cuts:
    if not {*basis.split("+")} <= {*DIMENSIONS}:
        raise ValueError(f"there is no basis {basis}")
    found = Cuts(**row)
    if not (0 <= found.low <= found.high <= 1 and 0 <= found.extreme <= 0.5):
        raise ValueError(f"cuts {row} do not rise between 0 and 1")
    return found
