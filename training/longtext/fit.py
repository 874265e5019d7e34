"""Fit thresholds to scored documents: so that types have given shares, or so that they agree with known types.

Two shares fit two cuts, `low` and `high`; the third, `extreme`, is fixed by hand: 0.4, so that the outer tenth of a
complexity metric on either side is extreme (our choice). Known types fit all three: the cuts with the best balanced
accuracy on a grid. Ranks are fitted first, to the same documents.

Cuts are fitted twice where model metrics exist: for all dimensions, and for what is left without a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.runs.errors import UserError
from training.longtext.folder import LongTextRun
from training.longtext.metrics import METRICS, ScorerOptions
from training.longtext.ranks import Quantiles, Scale
from training.longtext.statistical import Paragraphs
from training.longtext.thresholds import EVERY, Reference, Thresholds
from training.longtext.types import (
    DIMENSIONS,
    MODELLED,
    TYPES,
    Cuts,
    Dimensions,
    assign,
    chaos_level,
    dimensions,
    holistic_level,
)

FEWEST = 20
"""Documents that a reference needs."""
_NAMED = 50
"""Sources, at most, that a reference names."""
EXTREME = 0.4
"""The cut that shares do not fit."""
GRID = np.round(np.linspace(0, 1, 51), 2)
EXTREMES = np.round(np.linspace(0, 0.5, 26), 2)
"""Cuts that are tried against known types."""

Values = Float[np.ndarray, " text"]


@dataclass(frozen=True)
class Shares:
    """What share of the documents each type should have."""

    holistic: float
    aggregated: float
    chaotic: float

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0 or abs(sum(vars(self).values()) - 1) > 1e-6:
            told = ", ".join(f"{value:g}" for value in vars(self).values())
            raise UserError(f"shares {told} are refused; accepted are three numbers from 0 that sum to 1")


def fit_shares(scores: pd.DataFrame, shares: dict[str, Shares], *, extreme: float = EXTREME) -> tuple[Reference, ...]:
    """References whose cuts give each language its shares of the types, as nearly as the documents allow.

    `scores` has columns language, domain and the metrics. A share that is nearer to no document than to one cannot be
    reached; `fitted` names it under `below_one_document`. Raises UserError for a language without shares, or with fewer
    than 20 documents.
    """
    references = []
    for language, domain, group in _groups(scores):
        if language not in shares:
            raise UserError(f"no shares were given for language '{language}'; they were for {', '.join(shares)}")
        cuts, reached = {}, {}
        scales = _scales(group)
        for basis, found, _ in _bases(group, scales):
            cuts[basis] = _cuts_of_shares(found, shares[language], extreme)
            reached[basis] = _shares(assign(found, cuts[basis]).type)
        asked = vars(shares[language])
        fitted = {"sources": _sources(group), "method": "shares", "asked": asked, "reached": reached}
        fitted["below_one_document"] = [name for name, share in asked.items() if share and not round(share * len(group))]
        references.append(Reference(language, domain, scales, cuts, len(group), fitted))
    return tuple(references)


def fit_labels(scores: pd.DataFrame, labels: pd.Series) -> tuple[Reference, ...]:
    """References whose cuts agree best with the known types of the documents, by the index of `scores`.

    A domain whose documents are not of all three types gets no reference of its own. Raises UserError where a language
    as a whole is not, or a label is no type.
    """
    labels = labels[scores.index]
    strangers = sorted(set(labels.dropna()) - set(TYPES))
    if strangers or labels.isna().any():
        raise UserError(f"label '{[*strangers, 'nothing'][0]}' is no type; accepted are {', '.join(TYPES)}")
    references = []
    for language, domain, group in _groups(scores):
        truth = labels[group.index].to_numpy()
        if absent := [name for name in TYPES if name not in truth]:
            if domain == EVERY:
                raise UserError(f"no document of language '{language}' is labelled {absent[0]}; all types are needed")
            continue
        cuts, reached = {}, {}
        scales = _scales(group)
        for basis, found, rows in _bases(group, scales):
            cuts[basis], reached[basis] = _cuts_of_labels(found, truth[rows])
        fitted = {
            "sources": _sources(group),
            "method": "labels",
            "balanced_accuracy": reached,
            "labels": pd.Series(truth).value_counts().to_dict(),
        }
        references.append(Reference(language, domain, scales, cuts, len(group), fitted))
    return tuple(references)


def fitted_to(run: LongTextRun, labels: str | None, leave_out: str | None, only: str | None) -> pd.DataFrame:
    """Scores of the documents of a run that have metrics, `label` and `source` where there are any.

    `labels` is a metadata column; `leave_out` a value of it; `only` is COLUMN=VALUE. Raises UserError for a column or a
    value that no document has.
    """
    if leave_out is not None and labels is None:
        raise UserError(f"'{leave_out}' cannot be left out without --labels, the column in which documents are so labelled")
    scores = run.scores.copy()
    if labels is not None:
        scores["label"] = run.labels(labels)
    if "source" in next(run.documents()).schema.names:
        scores["source"] = run.labels("source")
    if only is not None:
        column, equals, value = only.partition("=")
        if not equals:
            raise UserError(f"'{only}' chooses no documents; accepted is COLUMN=VALUE, such as side=fit")
        scores = scores[_holding(run, column, value)]
    if leave_out is not None:
        scores = scores[~_holding(run, str(labels), leave_out)[scores.index]]
    return scores[scores["rejected"].isna()]


def _holding(run: LongTextRun, column: str, value: str) -> pd.Series:
    found = run.labels(column)
    if not (found == value).any():
        raise UserError(f"no document of {run.path} has {column}={value}; it has {', '.join(found.dropna().unique()[:5])}")
    return found == value


def scale_of(runs: Sequence[LongTextRun]) -> dict[str, str]:
    """What the metrics of runs are: `ScorerOptions.scale`. Raises UserError if they differ."""
    used = []
    for config in (run.manifest["config"] for run in runs):
        options = {name: config[name] for name in ("model", "windows", "ratio")}
        used.append(ScorerOptions(**options, paragraphs=Paragraphs(*config["paragraphs"])).scale)
    if any(one != used[0] for one in used):
        raise UserError(f"the runs were scored differently: {used}; accepted are runs of one model and kind of windows")
    return used[0]


def thresholds_of(references: Sequence[Reference], *, scorer: dict[str, str], about: dict[str, Any]) -> Thresholds:
    """Thresholds of fitted references. Raises UserError if there are none."""
    if not references:
        raise UserError("nothing was fitted: no document has a language and metrics")
    return Thresholds(tuple(references), scorer, about)


def _groups(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Documents of each language as a whole, then of each of its domains that has enough."""
    for language, spoken in scores.groupby("language"):
        if len(spoken) < FEWEST:
            raise UserError(f"{len(spoken)} documents of language '{language}' were scored; {FEWEST} or more fit thresholds")
        yield str(language), EVERY, spoken
        for domain, group in spoken.groupby("domain"):
            if domain != EVERY and len(group) >= FEWEST:
                yield str(language), str(domain), group


def _sources(group: pd.DataFrame) -> dict[str, int]:
    """Documents of each source, where sources are named."""
    return group["source"].value_counts().head(_NAMED).to_dict() if "source" in group else {}


def _scales(group: pd.DataFrame) -> dict[str, Scale]:
    """A scale for every metric that most of the documents have: which few have it says more than its value."""
    return {
        name: Quantiles.of(group[name].to_numpy(float))
        for name in METRICS
        if name in group and group[name].notna().mean() > 0.5
    }


def _bases(group: pd.DataFrame, scales: dict[str, Scale]) -> Iterator[tuple[str, Dimensions, np.ndarray]]:
    """Documents that have all dimensions, and all documents by what needs no model; with the rows of the group."""
    ranks = pd.DataFrame({name: one.rank(group[name].to_numpy(float)) for name, one in scales.items()}, index=group.index)
    modelled = [name for name in scales if name in MODELLED]
    if "coherence_diff" in modelled:
        rows = group["coherence_diff"].notna().to_numpy()
        yield "+".join(DIMENSIONS), dimensions(ranks[rows], group["coherence_diff"][rows].to_numpy(float)), rows
    everyone = np.ones(len(group), bool)
    yield "+".join(DIMENSIONS[1:]), dimensions(ranks.drop(columns=modelled), np.full(len(group), np.nan)), everyone


def _cuts_of_shares(found: Dimensions, shares: Shares, extreme: float) -> Cuts:
    chaos, total = chaos_level(found, extreme), len(found.csn)
    low = _cut_below(chaos, round(shares.chaotic * total))
    rest = holistic_level(found)[~(chaos < low)]
    return Cuts(low, max(_cut_below(rest, round(shares.aggregated * total)), low), extreme)


def _cut_below(levels: Values, count: int) -> float:
    """A number with so many of the levels below it, midway to the next one; 0 for none, 1 at most."""
    finite = np.sort(levels[np.isfinite(levels)])
    count = min(count, len(finite))
    if count == 0:
        return 0.0
    after = finite[count] if count < len(finite) else 1.0
    return float((finite[count - 1] + max(after, finite[count - 1])) / 2)


def _cuts_of_labels(found: Dimensions, truth: np.ndarray) -> tuple[Cuts, float]:
    """The cuts of the grid with the best balanced accuracy, the middle one of equals, and that accuracy."""
    of = {name: (truth == name).astype(float) / max((truth == name).sum(), 1) for name in TYPES}
    high_enough = holistic_level(found)[None] >= GRID[:, None]
    best: list[tuple[float, float, float]] = []
    top = -1.0
    for extreme in EXTREMES:
        chaotic = chaos_level(found, extreme)[None] < GRID[:, None]
        recall_holistic = (~chaotic * of["holistic"]) @ high_enough.T
        recall_aggregated = (~chaotic * of["aggregated"]) @ (~high_enough).T
        balanced = ((chaotic @ of["chaotic"])[:, None] + recall_holistic + recall_aggregated) / 3
        balanced[GRID[:, None] > GRID[None]] = -1
        here = float(balanced.max())
        if here > top + 1e-9:
            best, top = [], here
        best += [(GRID[low], GRID[high], extreme) for low, high in zip(*np.nonzero(balanced >= top - 1e-9), strict=True)]
    return Cuts(*map(float, best[len(best) // 2])), top


def _shares(types: Sequence[str | None]) -> dict[str, float]:
    typed = [one for one in types if one]
    return {name: typed.count(name) / max(len(typed), 1) for name in TYPES}
