"""The run folder of `interp longtext score`, read: documents, their metrics and types, and the evidence behind them.

    documents/part-00000.parquet   id, text, characters, and the metadata; row order is document number
    scores/part-00000.parquet      the columns of `SCORES`, the same rows as the documents' part
    evidence/part-00000.parquet    id, evidence (JSON): what `Scored.evidence` holds, and `missing` with reasons
    set_aside.parquet              place, reason, excerpt of what was no document
    thresholds.json                by which the types were given; absent if none were

A document that was not scored has a reason in `rejected`, and no metrics. The groups of samplers and schedules are
language and type, in the order of `GROUPS`.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Int

from interp.corpora.document_run import DocumentRun
from interp.runs.errors import UserError
from interp.runs.parts import Parts
from training.longtext.metrics import METRICS
from training.longtext.thresholds import TYPED_NUMBERS, TYPED_WORDS, Thresholds
from training.longtext.types import TYPES

if TYPE_CHECKING:
    import pandas as pd

JOB = "longtext score"
"""What the manifest's config says of the folder under `job`."""
LANGUAGES = ("en", "zh")
GROUPS = tuple((language, kind) for language in LANGUAGES for kind in TYPES)
"""Language and type of each group, by its number."""
SCORES = pa.schema(
    [
        ("id", pa.string()),
        ("language", pa.string()),
        ("domain", pa.string()),
        ("characters", pa.int64()),
        ("bytes", pa.int64()),
        ("long", pa.bool_()),
        ("tokens", pa.int64()),
        *((name, pa.float64()) for name in METRICS),
        ("reference", pa.string()),
        *((name, pa.string()) for name in TYPED_WORDS),
        *((name, pa.float64()) for name in TYPED_NUMBERS),
        ("rejected", pa.string()),
    ]
)
"""Of scores: `bytes` of UTF-8; `long` whether they reach the paper's 32,768; `tokens` of the language model's tokenizer;
`reference` the language and domain whose thresholds gave the type; null is "not computed", never 0."""
EVIDENCE = pa.schema([("id", pa.string()), ("evidence", pa.string())])


class LongTextRun(DocumentRun):
    """A finished run of `interp longtext score`. Tables are read when they are first asked for."""

    JOB = JOB

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row a document in the order of its number, with the columns of `SCORES`."""
        try:
            tables = [pq.read_table(path) for path in Parts(self.path / "scores").paths]
            found = pa.concat_tables(tables).to_pandas()
        except (OSError, pa.ArrowException, ValueError) as error:
            told = f"{self.path / 'scores'} cannot be read ({error})"
            raise UserError(f"{told}; `interp longtext score` writes it") from None
        if len(found) != len(self):
            raise UserError(f"{self.path} holds scores of {len(found):,} of {len(self):,} documents; score it again")
        return found

    @cached_property
    def thresholds(self) -> Thresholds | None:
        """Those that gave the types; None if there are no types."""
        path = self.path / "thresholds.json"
        return Thresholds.read(path) if path.exists() else None

    def number_of(self, name: str) -> int:
        """Number of the document with this id. Raises UserError if there is none."""
        found = np.flatnonzero(self.scores["id"].to_numpy() == name)
        if not len(found):
            raise UserError(f"{self.path} has no document '{name}'; it has {', '.join(self.scores['id'][:5])} and others")
        return int(found[0])

    def text(self, name: str) -> str:
        """Text of the document with this id. Raises UserError if there is none."""
        return str(self._documents.take(np.array([self.number_of(name)]), ["text"])["text"][0])

    def evidence(self, name: str) -> dict[str, Any]:
        """What was found about the document with this id. Raises UserError if there is none."""
        row = Parts(self.path / "evidence").take(np.array([self.number_of(name)]), ["evidence"])
        found: dict[str, Any] = json.loads(row["evidence"][0].as_py())
        return found

    def rejected(self) -> list[dict[str, str]]:
        """Everything that was not scored: place (or id), reason, excerpt."""
        aside = pq.read_table(self.path / "set_aside.parquet").to_pylist()
        left_out = self.scores[self.scores["rejected"].notna()]
        return [*aside, *({"place": row.id, "reason": row.rejected, "excerpt": ""} for row in left_out.itertuples())]

    @property
    def sizes(self) -> Int[np.ndarray, " group"]:
        """Documents of each group of `GROUPS`."""
        group = self.assignments["cluster"].to_numpy()
        return np.bincount(group[group >= 0], minlength=len(GROUPS))

    @cached_property
    def assignments(self) -> pd.DataFrame:
        """Group of every document as samplers read it: id, cluster (-1 without a type), duplicate_of (always null)."""
        import pandas as pd

        number = {group: number for number, group in enumerate(GROUPS)}
        pairs = zip(self.scores["language"], self.scores["type"], strict=True)
        groups = np.array([number.get(pair, -1) for pair in pairs], np.int32)
        return pd.DataFrame({"id": self.scores["id"], "cluster": groups, "duplicate_of": None})

    def labels(self, column: str) -> pd.Series:
        """A metadata column of the documents, in the order of their numbers. Raises UserError if there is none."""
        names = self._documents.schema.names
        if column not in names:
            raise UserError(f"{self.path} has no column '{column}'; its documents have {', '.join(names)}")
        return pc.cast(self._documents.column(column), pa.string()).to_pandas()
