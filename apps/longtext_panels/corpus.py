"""A scored run as the screen needs it: a table of its documents by language, their texts and evidence at hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from interp.corpora.store import OURS
from interp.runs.errors import UserError
from interp.runs.parts import Parts
from training.longtext.folder import LANGUAGES, SCORES, LongTextRun
from training.longtext.metrics import METRICS
from training.longtext.thresholds import Thresholds

MOST_VALUES = 40
"""Different values up to which a metadata column is shown with a document's facts."""
NAMES = {"en": "English", "zh": "Chinese"}
_DAMAGED = (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, pa.ArrowException)


@dataclass(frozen=True)
class LongTexts:
    """What all panels share. Nothing here changes after it is opened."""

    run: LongTextRun
    documents: pd.DataFrame
    """A row a document that was scored, under its number: the columns of `SCORES`, and the metadata of few values."""
    metadata: tuple[str, ...]
    thresholds: Thresholds | None
    """None for a run without types."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the run at `path`. Raises UserError if there is none, it is not finished, or its files do not fit."""
        run = LongTextRun.open(path)
        try:
            scores = run.scores
            metadata = _metadata(run)
            documents = scores[scores["rejected"].isna()].join(metadata)
            documents[list(METRICS)] = documents[list(METRICS)].astype(float)
            return cls(run, documents, tuple(metadata), run.thresholds)
        except _DAMAGED as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:160]
            raise UserError(f"{path} is damaged ({reason}); the same `interp longtext score` again repairs it") from None

    @property
    def languages(self) -> list[str]:
        """Those that have documents, in a fixed order."""
        found = set(self.documents["language"])
        return [language for language in LANGUAGES if language in found]

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.run.path.name

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was asked."""
        return dict(self.run.manifest.get("config", {}))

    @cached_property
    def rejected(self) -> list[dict[str, str]]:
        """What was not scored, and why."""
        return self.run.rejected()

    def texts(self, numbers: list[int]) -> list[str]:
        """Texts of the documents of these numbers."""
        return [str(one) for one in self.run.documents_at(np.array(numbers, np.int64), ["text"])["text"].to_pylist()]

    def evidence(self, number: int) -> dict[str, Any]:
        """What was found about a document."""
        row = Parts(self.run.path / "evidence").take(np.array([number]), ["evidence"])
        found: dict[str, Any] = json.loads(row["evidence"][0].as_py())
        return found


def _metadata(run: LongTextRun) -> pd.DataFrame:
    """Columns of the corpus itself that have few values, but what scores say too."""
    schema = next(run.documents()).schema
    taken = {*OURS, *SCORES.names}
    found = {}
    for field in schema:
        if field.name == "type" or (field.name not in taken and pa.types.is_string(field.type)):
            column = pa.Table.from_batches(run.documents([field.name])).column(0)
            if 1 < pc.count_distinct(column).as_py() <= MOST_VALUES:
                found[f"{field.name} of the corpus" if field.name in taken else field.name] = column.to_pandas()
    return pd.DataFrame(found, index=range(len(run)))
