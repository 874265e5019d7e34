"""The run folder of `interp sample prepare`, read: documents, embeddings, clusters, and who belongs to which.

    documents/part-00000.parquet    id, text, characters, and the metadata that came along; row order is document number
    embeddings/part-00000.parquet   embedding: unit vectors, the same rows as the documents' part
    set_aside.parquet               place (file:line), reason, excerpt of what was left out
    embedded.json                   the run that all these come from, if it is not this one
    centroids.safetensors           centroids [cluster, d], unit length
    assignments.parquet             id, cluster, similarity, second, margin, duplicate_of, x, y: a row a document
    clusters.parquet                cluster, size, duplicates, characters, similarity, terms, medoids, borderline, random

Clusters are numbered by falling size. A near-duplicate has a cluster, but does not count in its size and is never drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.corpora.document_run import DocumentRun
from interp.runs.errors import UserError
from interp.runs.parts import Parts

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMN = "embedding"
"""Name of the embeddings' column."""
JOB = "sample prepare"
"""What the manifest's config says of the folder under `job`."""


class Embeddings:
    """Unit vectors of a corpus, one a document, read from disk as they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._parts = folder, Parts(folder)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self._parts.schema.field(COLUMN).type.list_size)

    def blocks(self, rows: int = 8192) -> Iterator[Float[Tensor, "row d"]]:
        """All vectors in order, at most `rows` at a time."""
        for batch in self._parts.batches([COLUMN], rows=rows):
            yield _tensor(batch.column(0))

    def rows(self, numbers: Sequence[int] | Int[np.ndarray, " row"] | Int[Tensor, " row"]) -> Float[Tensor, "row d"]:
        """The vectors of these documents, in this order. Raises IndexError for a number that is no document's."""
        found = self._parts.take(np.asarray(numbers), [COLUMN]).column(0).combine_chunks()
        return _tensor(found)


def _tensor(column: pa.FixedSizeListArray) -> Float[Tensor, "row d"]:
    flat = column.flatten().to_numpy(zero_copy_only=True)
    return torch.from_numpy(flat.reshape(len(column), column.type.list_size).copy())  # the buffer is read-only


class SamplingRun(DocumentRun):
    """A finished run of `interp sample prepare`. Tables are read when they are first asked for."""

    JOB = JOB

    @cached_property
    def clusters(self) -> pd.DataFrame:
        """clusters.parquet, a row a cluster in the order of its number."""
        return _frame(self.path / "clusters.parquet").sort_values("cluster", ignore_index=True)

    @cached_property
    def assignments(self) -> pd.DataFrame:
        """assignments.parquet, a row a document in the order of its number."""
        return _frame(self.path / "assignments.parquet")

    @property
    def sizes(self) -> Int[np.ndarray, " cluster"]:
        """Documents of each cluster that are no duplicates."""
        return self.clusters["size"].to_numpy(dtype=np.int64)

    @cached_property
    def centroids(self) -> Float[Tensor, "cluster d"]:
        """Unit vectors at the clusters' centres."""
        from safetensors.torch import load_file

        return load_file(self.path / "centroids.safetensors")["centroids"]

    @cached_property
    def embeddings(self) -> Embeddings:
        """Unit vectors of the documents. Raises UserError where they are missing, as in the run that comes with us."""
        found = Embeddings(self.path / "embeddings")
        if len(found) != len(self):
            told = f"{found.folder} holds embeddings of {len(found):,} of {len(self):,} documents"
            raise UserError(f"{told}; `interp sample prepare` writes them all")
        return found

    def members(self, cluster: int) -> Int[np.ndarray, " document"]:
        """Numbers of a cluster's documents that are no duplicates, rising."""
        order, starts = self._grouped
        return order[starts[cluster] : starts[cluster + 1]]

    @cached_property
    def _grouped(self) -> tuple[Int[np.ndarray, " document"], Int[np.ndarray, " cluster_and_end"]]:
        """Documents that are no duplicates by cluster, and where each cluster starts."""
        kept = np.flatnonzero(self.assignments["duplicate_of"].isna().to_numpy())
        cluster = self.assignments["cluster"].to_numpy()[kept]
        starts = np.searchsorted(np.sort(cluster), np.arange(len(self.clusters) + 1))
        return kept[np.argsort(cluster, kind="stable")], starts


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error}); `interp sample prepare` writes it") from None
