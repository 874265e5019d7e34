"""Every document's nearest and second-nearest centroid: of the documents that were clustered, and of new ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from torch import Tensor

from interp.runs.errors import UserError
from interp.runs.progress import Progress
from training.sampling.nearest import search_on
from training.sampling.vectors import Vectors, slabs


class Assignment(NamedTuple):
    """Where documents belong, in their order."""

    cluster: Int32[np.ndarray, " document"]
    similarity: Float32[np.ndarray, " document"]
    """Cosine to the cluster's centroid: how typical the document is of it."""
    second: Int32[np.ndarray, " document"]
    """The next best cluster; -1 where there is one cluster only."""
    margin: Float32[np.ndarray, " document"]
    """Similarity minus that to the second: small at a border, NaN where there is one cluster only."""


def assign(vectors: Vectors, centroids: Float[Tensor, "cluster d"], *, progress: bool = False) -> Assignment:
    """Assign all documents, on the device of the centroids. Of clusters that are equally near the first one is taken."""
    blocks = list(assigned_blocks(vectors, centroids, progress=progress))
    if not blocks:
        return Assignment(*(np.empty(0, kind) for kind in (np.int32, np.float32) * 2))
    return Assignment(*map(np.concatenate, zip(*blocks, strict=True)))


def assigned_blocks(
    vectors: Vectors, centroids: Float[Tensor, "cluster d"], *, progress: bool = False
) -> Iterator[Assignment]:
    """The same in blocks of documents, in their order: memory does not grow with the corpus.

    Raises UserError if the vectors have another width than the centroids.
    """
    bar = Progress(len(vectors), unit="documents", label="assign", enabled=progress)
    with search_on(centroids.device) as search, bar:
        for block in slabs(vectors):
            _refuse_other_width(block, centroids)
            label, similarity, second, margin = (part.cpu().numpy() for part in search.two_nearest(block, centroids))
            yield Assignment(label.astype(np.int32), similarity, second.astype(np.int32), margin)
            bar.advance(len(block))


def _refuse_other_width(block: torch.Tensor, centroids: torch.Tensor) -> None:
    theirs, ours = block.shape[1], centroids.shape[1]
    if theirs != ours:
        raise UserError(
            f"embeddings of {theirs} dimensions cannot be assigned to centroids of {ours}; take the run's embedder"
        )
