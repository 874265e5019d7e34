"""How well models expect held-out code, and the two arms of a round against each other.

A score is nats a token, on the tokens that hold code, over all held-out files: long files weigh more. Arms are compared
file by file within a seed. The intervals are 95 % bootstrap intervals over sources, as functions of one package are alike;
they hold the trainings fixed, whose spread the gains of the single seeds show.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, Int

from training.comments.code_loss import CodeTokens, code_nats, code_tokens
from training.comments.languages import LANGUAGES
from training.comments.source import Source

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 2_000


class Scores(NamedTuple):
    """Nats of every held-out file's code, in the files' order."""

    commented: list[float]
    """Read with its authors' comments."""
    bare: list[float]
    """Read without comments."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Scores as they were written."""
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True)
class HeldOut:
    """Held-out files as tokens."""

    sources: list[str]
    commented: list[CodeTokens]
    bare: list[CodeTokens]

    @property
    def tokens(self) -> int:
        """That scoring reads."""
        return sum(len(one.tokens) for one in [*self.commented, *self.bare])

    def scores(self, model: Any, device: torch.device) -> Scores:
        """The model's nats on each."""
        return Scores(*([code_nats(model, one, device) for one in side] for side in (self.commented, self.bare)))


def held_out(chosen: pd.DataFrame, tokenizer: Any) -> HeldOut:
    """The held-out files of a run."""
    rows = chosen[chosen.split == "held-out"]
    sides = {
        side: [
            code_tokens(Source(text, LANGUAGES[name]), tokenizer)
            for text, name in zip(rows[side], rows.language, strict=True)
        ]
        for side in ("commented", "bare")
    }
    return HeldOut(rows.source.tolist(), **sides)


def summary(found: HeldOut, before: Scores, plain: Sequence[Scores], augmented: Sequence[Scores]) -> list[dict[str, Any]]:
    """A row for code with its comments, and one for code without.

    Columns: read; code_tokens; before, plain, augmented (nats a token, over all seeds); gain (plain minus augmented: what
    reading the new comments was worth), between low and high; gain_least and gain_most of a single seed.
    """
    rows = []
    for side in Scores._fields:
        counts = np.array([int(one.code.sum()) for one in getattr(found, side)])
        base = np.array(getattr(before, side))
        one, other = (np.array([getattr(scores, side) for scores in arm]) for arm in (plain, augmented))
        gains = (one - other).sum(1) / counts.sum()
        low, high = interval((one - other).mean(0), counts, found.sources)
        rows.append({
            "read": side, "code_tokens": int(counts.sum()), "before": float(base.sum() / counts.sum()),
            "plain": float(one.mean(0).sum() / counts.sum()), "augmented": float(other.mean(0).sum() / counts.sum()),
            "gain": float(gains.mean()), "low": low, "high": high,
            "gain_least": float(gains.min()), "gain_most": float(gains.max()),
        })  # fmt: skip
    return rows


def interval(
    sums: Float[np.ndarray, " file"], counts: Int[np.ndarray, " file"], sources: Sequence[str], *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval of sum over count, whole sources drawn."""
    names, place = np.unique(np.array(sources), return_inverse=True)
    totals = np.stack([np.bincount(place, weights, len(names)) for weights in (sums, counts)])
    drawn = totals[:, np.random.default_rng(seed).integers(len(names), size=(RESAMPLES, len(names)))].sum(-1)
    low, high = np.quantile(drawn[0] / drawn[1], [0.025, 0.975])
    return float(low), float(high)
