"""All three levels of in-context learning of one model in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pandas as pd

from interp.corpora.document import Document
from interp.corpora.windows import DEFAULT, corpus
from interp.heads.icl.accuracy import accuracies
from interp.heads.icl.loss_reduction import beginnings, loss_reductions
from interp.heads.icl.readout import Readout

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

LOSS_REDUCTION = "loss reduction"
_READ = 1_000
"""Held-out documents among which those long enough are found."""


@dataclass(frozen=True)
class LevelOptions:
    """What is measured."""

    tasks: tuple[str, ...] | None = None
    """Names of `interp.heads.icl.tasks`; None for all."""
    shots: tuple[int, ...] = (0, 1, 2, 3, 5, 10, 20)
    prompts: int = 100
    """A task and number of shots."""
    text: str = DEFAULT
    """Held-out text for loss reduction: `default` for the installed text, or a .txt or .jsonl file."""
    seed: int = 0


def held_out(text: str) -> list[Document]:
    """Held-out documents of a corpus, enough to choose from. Raises UserError for a file that is no text."""
    return list(islice(corpus(text, "held-out"), _READ))


def levels(
    model: LanguageModel, options: LevelOptions = LevelOptions(), documents: Iterable[Document] | None = None
) -> pd.DataFrame:
    """Columns task, shots, measure, value, low, high, count: see `accuracies`; loss reduction has its (i, j) as task.

    `documents` are those of `held_out`, for whoever measures many models. Raises UserError for a task that is not known
    and for a context too short for loss reduction or the prompts.
    """
    readout = Readout(model)
    texts = beginnings(readout, held_out(options.text) if documents is None else documents)
    gained = [
        {"task": f"({gain.i}, {gain.j})", "shots": 0, "measure": LOSS_REDUCTION, "value": gain.value, "low": gain.low,
         "high": gain.high, "count": len(texts)}
        for gain in loss_reductions(readout, texts, seed=options.seed)
    ]  # fmt: skip
    few_shot = accuracies(readout, options.tasks, shots=options.shots, count=options.prompts, seed=options.seed)
    return pd.concat([pd.DataFrame(gained), few_shot], ignore_index=True)
