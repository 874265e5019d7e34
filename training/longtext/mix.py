"""The mixture recipe of arXiv 2402.13583 as a schedule that samplers draw: no chaotic text, aggregated text more often.

A document of a type comes `factor` times in the time in which one with factor 1 comes once. That chaotic text is dropped
and aggregated text up-sampled is the paper's; by how much is not published, twice is our choice. Without a budget the
schedule is one pass: every holistic document once, every aggregated one twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from interp.runs.errors import UserError
from training.longtext.folder import GROUPS, LongTextRun
from training.sampling.lengths import TokenCount
from training.sampling.schedule import Schedule
from training.sampling.strategies import Budget, Order, Strategy


@dataclass(frozen=True)
class Recipe:
    """How often documents of each type come, for all languages alike unless a language has its own."""

    holistic: float = 1.0
    aggregated: float = 2.0
    chaotic: float = 0.0
    languages: tuple[tuple[str, float], ...] = ()
    """Further factors of whole languages, such as ("zh", 3.0)."""

    @property
    def factors(self) -> tuple[float, ...]:
        """A factor for each of `GROUPS`."""
        by_language = dict(self.languages)
        return tuple(getattr(self, kind) * by_language.get(language, 1.0) for language, kind in GROUPS)


def mixture(
    run: LongTextRun, recipe: Recipe, *, budget: Budget | None = None, order: Order = "round_robin", seed: int = 0
) -> Schedule:
    """The schedule of a recipe over a scored run; one pass without a budget. One in tokens is by the run's own counts.

    Raises UserError for factors that are none, and where they leave nothing to draw.
    """
    strategy = Strategy.mixture(recipe.factors, order=order)
    if run.sizes.sum() == 0:
        raise UserError(f"{run.path} has no document with a type; score it with thresholds")
    strategy.weights(run.sizes)  # raises if all documents are of types with factor 0
    once = max(round(float(run.sizes @ np.array(recipe.factors))), 1)
    return Schedule.of_run(run, strategy, budget or Budget(once), seed=seed, tokens=_token_count(run, recipe))


def _token_count(run: LongTextRun, recipe: Recipe) -> TokenCount:
    """Samplers count characters: as many for a token as the mixture has by the language model's tokenizer."""
    group = run.assignments["cluster"].to_numpy()
    scores, times = run.scores[group >= 0], np.array(recipe.factors)[group[group >= 0]]
    if scores["tokens"].isna().any():
        return TokenCount()
    return TokenCount(characters=float((scores["characters"] * times).sum() / (scores["tokens"] * times).sum()))


def composition(run: LongTextRun, schedule: Schedule) -> pd.DataFrame:
    """A row for each language and type: documents, draws, passes, and shares of the text before and after the recipe.

    Shares are of the language model's tokens; of bytes, where a document that has a type has no token count.
    """
    scores, group = run.scores, run.assignments["cluster"].to_numpy()
    typed = group >= 0
    counted = bool(scores["tokens"][typed].notna().all())
    weight = scores["tokens" if counted else "bytes"].fillna(0).to_numpy(float)
    held = np.bincount(group[typed], weights=weight[typed], minlength=len(GROUPS))
    draws = schedule.expected().counts
    passes = np.divide(draws, run.sizes, out=np.zeros(len(GROUPS)), where=run.sizes > 0)
    after = held * passes
    return pd.DataFrame(
        {
            "language": [language for language, _ in GROUPS],
            "type": [kind for _, kind in GROUPS],
            "documents": run.sizes,
            "draws": draws,
            "passes": passes,
            "unit": "tokens" if counted else "bytes",
            "share_before": held / max(held.sum(), 1),
            "share_after": after / max(after.sum(), 1),
        }
    )
