"""A prepared run as the screen needs it: a table of clusters, the documents on the map, metadata as categories."""

from __future__ import annotations

from collections.abc import Iterator
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
from training.sampling.balance import Balance, balance
from training.sampling.folder import SamplingRun
from training.sampling.lengths import TokenCount, mean_lengths

MOST_VALUES = 200
"""Different values up to which a metadata column is taken for categories."""
MOST_POINTS = 100_000
"""Documents drawn on the map."""
_TERMS = 4
_TAKEN = {"document", "cluster", "similarity", "duplicate", "x", "y", "chosen", "name"}
"""Columns of `Corpus.documents` and of the map, which a corpus' own column of the same name must not replace."""
_DAMAGED = (OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, pa.ArrowException)


@dataclass(frozen=True)
class Corpus:
    """What all panels share. Nothing here changes after it is opened."""

    run: SamplingRun
    table: pd.DataFrame
    """A row a cluster: cluster, size, share, duplicates, similarity, characters (mean), label (first terms)."""
    documents: pd.DataFrame
    """A row a document: document, id, cluster, similarity, duplicate, characters, and the categories."""
    categories: tuple[str, ...]
    """Metadata columns of few different values."""
    lengths: np.ndarray
    """Mean tokens of a document of each cluster, at four characters a token."""
    balance: Balance

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the run at `path`. Raises UserError if there is none, it is not finished, or its files do not fit."""
        run = SamplingRun.open(path)
        try:
            return cls._read(run)
        except _DAMAGED as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:160]
            raise UserError(f"{path} is damaged ({reason}); the same `interp sample prepare` again repairs it") from None

    @classmethod
    def _read(cls, run: SamplingRun) -> Self:
        if not len(run):
            raise ValueError("no documents")
        assigned = run.assignments
        metadata, categories = _metadata(run)
        if not len(assigned) == len(metadata) == len(run):
            raise ValueError(f"{len(assigned)} assignments for {len(run)} documents")
        documents = pd.DataFrame(
            {
                "document": np.arange(len(assigned), dtype=np.int32),
                "id": assigned["id"],
                "cluster": assigned["cluster"].to_numpy(np.int32),
                "similarity": assigned["similarity"].to_numpy(np.float32),
                "duplicate": assigned["duplicate_of"].notna().to_numpy(),
                "x": assigned["x"].to_numpy(np.float32),
                "y": assigned["y"].to_numpy(np.float32),
            }
        ).join(metadata)
        kept = np.where(documents["duplicate"], -1, documents["cluster"])
        lengths = mean_lengths(TokenCount().lengths(run), kept, len(run.sizes))
        return cls(run, _table(run), documents, categories, lengths, balance(run.sizes))

    @cached_property
    def points(self) -> pd.DataFrame:
        """The documents that the map shows: those with a place on it, at most `MOST_POINTS` of them."""
        placed = self.documents[self.documents["x"].notna()]
        return placed if len(placed) <= MOST_POINTS else placed.sample(MOST_POINTS, random_state=0).sort_index()

    @cached_property
    def centres(self) -> pd.DataFrame:
        """Where each cluster lies on the map (median of its documents): cluster, x, y."""
        return self.points.groupby("cluster")[["x", "y"]].median().reset_index()

    @property
    def sizes(self) -> np.ndarray:
        """Documents of each cluster that can be drawn."""
        return self.run.sizes

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        return self.run.path.name

    @property
    def facts(self) -> dict[str, Any]:
        """What the run was asked and what came out: config and results of its manifest."""
        return {**self.run.manifest.get("config", {}), **self.run.manifest.get("results", {})}

    def texts(self, numbers: np.ndarray) -> pd.DataFrame:
        """Documents of these numbers with their texts and metadata."""
        return self.run.documents_at(np.asarray(numbers, np.int64)).to_pandas()

    def numbers_of(self, ids: list[str]) -> list[int]:
        """Numbers of the documents with these identifiers."""
        return [int(self._places[one]) for one in ids if one in self._places]

    @cached_property
    def _places(self) -> dict[str, int]:
        """Number by identifier, of the documents that are shown as examples."""
        wanted = {one for kind in ("medoids", "borderline", "random") for ids in self.run.clusters[kind] for one in ids}
        found = self.documents.loc[self.documents["id"].isin(wanted), ["id", "document"]]
        return dict(zip(found["id"], found["document"], strict=True))

    def neighbours(self, cluster: int, count: int = 5) -> list[tuple[int, float]]:
        """The clusters whose centroids are nearest, with their cosine; empty clusters are left out."""
        cosine = (self.run.centroids @ self.run.centroids[cluster]).numpy().copy()
        cosine[(self.sizes == 0) | (np.arange(len(cosine)) == cluster)] = -np.inf
        nearest = np.argsort(-cosine, kind="stable")[:count]
        return [(int(one), float(cosine[one])) for one in nearest if np.isfinite(cosine[one])]

    def search(self, words: str) -> np.ndarray:
        """Numbers of the documents whose text or identifier contains `words`, whatever their case; one pass over them."""
        found, first = [], 0
        for batch in self.run.documents(["id", "text"]):
            hits = pc.or_(*(pc.match_substring(column, words, ignore_case=True) for column in batch.columns))
            found.append(first + np.flatnonzero(hits.to_numpy(zero_copy_only=False)))
            first += len(batch)
        return np.concatenate(found)

    def label(self, cluster: int) -> str:
        """The cluster's number and first terms."""
        return f"{cluster} · {self.table['label'][cluster]}"


def _table(run: SamplingRun) -> pd.DataFrame:
    found = run.clusters
    size = found["size"].to_numpy()
    return pd.DataFrame(
        {
            "cluster": found["cluster"].to_numpy(),
            "size": size,
            "share": size / max(size.sum(), 1),
            "duplicates": found["duplicates"].to_numpy(),
            "similarity": found["similarity"].to_numpy(float),
            "characters": found["characters"].to_numpy() / np.maximum(size, 1),
            "label": [", ".join(terms[:_TERMS]) or "(no terms)" for terms in found["terms"]],
        }
    )


def _metadata(run: SamplingRun) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Characters of every document, and the metadata columns of few values as categories."""
    schema = next(run.documents()).schema
    named = [field.name for field in schema if field.name not in OURS and _may_be_category(field.type)]
    frame = pd.DataFrame({"characters": _column(run, "characters").to_numpy()})
    for name in named:
        values = _column(run, name).to_pandas().astype("category")
        if 1 < len(values.cat.categories) <= MOST_VALUES:
            frame[f"{name} of the corpus" if name in _TAKEN else name] = values
    return frame, tuple(name for name in frame if name != "characters")


def _column(run: SamplingRun, name: str) -> pa.ChunkedArray:
    return pa.Table.from_batches(run.documents([name])).column(0)


def _may_be_category(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)


def groups(values: pd.Series, most: int = 6) -> Iterator[tuple[str, float]]:
    """The commonest values with their shares, falling; missing ones are left out."""
    counts = values.value_counts()
    for name, count in counts[counts > 0].head(most).items():
        yield str(name), count / max(len(values), 1)
