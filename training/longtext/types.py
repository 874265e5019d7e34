"""Types of long texts from ranks of their metrics: holistic, aggregated, chaotic (arXiv 2402.13583).

The paper's rule is qualitative: holistic texts are high in coherence and cohesion and medium in complexity, aggregated
ones medium in all three, chaotic ones low in coherence and cohesion with complexity at either extreme. How metrics are
made comparable and combined is not published. Ours, with r the rank of a metric in [0, 1] (`training.longtext.ranks`):

    COH = (r(acc_l) + r(acc_s)) / 4 + r(diff) / 2      diff weighs as much as both accuracies: boilerplate has high ones
    CSN = mean r(dmr, conn, pron)
    CPX = max |r(ttr) - 1/2|, |r(para) - 1/2|          a mean could not see that either end is extreme

    chaotic     COH < low, CSN < low and CPX > extreme; or diff < 0 (its raw value) and CSN < low
    aggregated  else, if COH < high or CSN < high
    holistic    else

Metrics that were not computed drop out of the means, dimensions without any metric out of the rule; `type_basis` names
the dimensions that were left. A text without coherence and cohesion has no type. Of a text without coherence dmr is left
out as well: it is held against cuts that were fitted to what needs no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

HOLISTIC, AGGREGATED, CHAOTIC = TYPES = ("holistic", "aggregated", "chaotic")
"""In the paper's order."""
DIMENSIONS = ("coherence", "cohesion", "complexity")
COHERENCE = {"coherence_acc_l": 1.0, "coherence_acc_s": 1.0, "coherence_diff": 2.0}
"""Weights of the metrics in COH."""
COHESION = ("cohesion_dmr", "cohesion_conn", "cohesion_pron")
COMPLEXITY = ("complexity_ttr", "complexity_para")
MODELLED = (*COHERENCE, "cohesion_dmr")
"""Metrics that need a model's forward pass."""
RULES = {
    "all low": "coherence and cohesion are low and complexity is extreme",
    "context misleads": "text is predicted worse with more context (diff below 0), and cohesion is low",
    "coherence not high": "cohesion is high, coherence is not",
    "cohesion not high": "coherence is high or not computed, cohesion is not high",
    "neither high": "neither coherence nor cohesion is high, and the text is not chaotic",
    "high": "coherence and cohesion, as far as computed, are high",
}
"""What each rule says; `rule` of a scored text is one of them."""

Values = Float[np.ndarray, " text"]


@dataclass(frozen=True)
class Cuts:
    """The borders of the rule, on the scale of ranks."""

    low: float
    """COH and CSN below it are low."""
    high: float
    """COH and CSN from here on are high; not below `low`."""
    extreme: float
    """CPX above it is extreme; 0.4 is the outer tenth on either side."""


class Dimensions(NamedTuple):
    """What the rule reads, an entry a text; NaN where not computed."""

    coh: Values
    csn: Values
    cpx: Values
    negative_diff: Bool[np.ndarray, " text"]
    """Whether the raw diff is below 0."""

    @property
    def basis(self) -> list[str | None]:
        """Names of the dimensions that exist, `+` between; None for a text that has no type."""
        present = np.isfinite(np.stack([self.coh, self.csn, self.cpx], 1))
        typed = present[:, 0] | present[:, 1]
        names = ("+".join(name for name, has in zip(DIMENSIONS, row, strict=True) if has) for row in present)
        return [name if has else None for name, has in zip(names, typed, strict=True)]


class Typed(NamedTuple):
    """Types and how they came about, an entry a text."""

    type: list[str | None]
    basis: list[str | None]
    rule: list[str | None]
    margin: Values
    """How far the nearest text of another type is: the largest of its changes in COH, CSN and CPX."""


def dimensions(ranks: pd.DataFrame, diff: Values) -> Dimensions:
    """COH, CSN and CPX of texts from the ranks of their metrics (columns by their names, NaN for what is missing).

    `diff` is the raw coherence_diff, NaN where not computed.
    """
    coherence = _weighted_mean(ranks, COHERENCE)
    counted = ranks.mask(np.isnan(coherence)[:, None] & np.isin(ranks.columns, MODELLED))
    cohesion = _weighted_mean(counted, dict.fromkeys(COHESION, 1.0))
    complexity = (ranks.reindex(columns=list(COMPLEXITY)) - 0.5).abs().max(axis=1).to_numpy(float)
    return Dimensions(coherence, cohesion, complexity, np.asarray(diff, float) < 0)


def _weighted_mean(ranks: pd.DataFrame, weights: dict[str, float]) -> Values:
    values = ranks.reindex(columns=list(weights)).to_numpy(float)
    used = np.where(np.isfinite(values), list(weights.values()), 0.0)
    total = used.sum(1)
    return np.where(total > 0, np.nansum(values * used, axis=1) / np.where(total > 0, total, 1), np.nan)


def chaos_level(found: Dimensions, extreme: float) -> Values:
    """The `low` above which a text is chaotic, infinite for one that no `low` makes so."""
    level = np.where(found.cpx <= extreme, np.inf, np.fmax(found.coh, found.csn))
    return np.where(found.negative_diff, np.fmin(level, found.csn), level)


def holistic_level(found: Dimensions) -> Values:
    """The `high` up to which a text is holistic, unless it is chaotic."""
    return np.fmin(found.coh, found.csn)


def assign(found: Dimensions, cuts: Cuts) -> Typed:
    """The type of every text. A dimension that is missing neither makes nor breaks a rule."""
    basis = found.basis
    chaotic = chaos_level(found, cuts.extreme) < cuts.low
    holistic = ~chaotic & (holistic_level(found) >= cuts.high)
    types = np.where(chaotic, CHAOTIC, np.where(holistic, HOLISTIC, AGGREGATED))
    rules = np.where(chaotic, _chaotic_rule(found, cuts), np.where(holistic, "high", _aggregated_rule(found, cuts)))
    named = [[str(one) if has else None for one, has in zip(column, basis, strict=True)] for column in (types, rules)]
    return Typed(named[0], basis, named[1], _margin(found, cuts, chaotic, holistic))


def _chaotic_rule(found: Dimensions, cuts: Cuts) -> np.ndarray:
    all_low = ~(found.cpx <= cuts.extreme) & (np.fmax(found.coh, found.csn) < cuts.low)
    return np.where(all_low, "all low", "context misleads")


def _aggregated_rule(found: Dimensions, cuts: Cuts) -> np.ndarray:
    coherent, cohesive = ~(found.coh < cuts.high), ~(found.csn < cuts.high)
    one = np.where(coherent, "cohesion not high", "coherence not high")
    return np.where(coherent | cohesive, one, "neither high")


def _margin(
    found: Dimensions, cuts: Cuts, chaotic: Bool[np.ndarray, " text"], holistic: Bool[np.ndarray, " text"]
) -> Values:
    """Distances by the largest coordinate; the sign of diff is taken as given, missing dimensions do not move."""
    to_high = cuts.high - holistic_level(found)
    to_low = np.fmax(found.coh, found.csn) - cuts.low
    to_chaos = np.fmax(to_low, cuts.extreme - found.cpx)
    to_chaos = np.where(found.negative_diff, np.fmin(to_chaos, found.csn - cuts.low), to_chaos)
    away = np.where(holistic, -to_high, to_high)
    return np.where(chaotic, -to_chaos, np.fmin(away, to_chaos))
