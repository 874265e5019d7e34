"""A map of the corpus: two coordinates a document, made once and stored, so that it is the same at every view.

`umap` (McInnes et al. 2018, arXiv 1802.03426) is fitted to a random sample; another document is placed at the mean of its
nearest neighbours in the sample, weighted by similarity, which is where UMAP's own transform starts from (its
optimisation from there would cost more than the fit). `pca` is exact and takes seconds. Coordinates of UMAP depend on
the machine and the versions of its libraries even at one seed; those of PCA do not.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from interp.runs.errors import UserError
from training.sampling.vectors import Subset, Vectors

Method = Literal["umap", "pca"]
NEIGHBOURS = 15
"""UMAP's neighbourhood. With fewer documents than twice this there is nothing to lay out, and PCA stands in."""
_PLACED_BY = 5
_BLOCK = 4096


def document_map(
    vectors: Vectors, *, method: Method = "umap", fitted: int = 5_000, shown: int = 100_000, seed: int = 0
) -> Float32[np.ndarray, "document 2"]:
    """Coordinates of at most `shown` random documents, NaN for the others; at most `fitted` of them are laid out by UMAP.

    Raises UserError for an unknown method, or if UMAP is asked for and not installed.
    """
    if method not in get_args(Method):
        raise UserError(f"unknown map '{method}': accepted are {', '.join(get_args(Method))}")
    order = np.random.default_rng(seed).permutation(len(vectors))
    chosen = np.zeros(len(vectors), bool)
    chosen[order[:shown]] = True
    subset = Subset(vectors, chosen)
    if method == "pca" or len(subset) < 2 * NEIGHBOURS:
        placed = _pca(subset)
    else:
        sample = vectors.rows(order[: min(fitted, shown)])
        placed = _beside(subset, sample, _umap(sample, seed))
    coordinates = np.full((len(vectors), 2), np.nan, np.float32)
    coordinates[chosen] = placed.numpy()
    return coordinates


def _pca(vectors: Vectors) -> Float[Tensor, "row 2"]:
    """Along the two directions of most variance, each pointing to where its largest component is positive."""
    count, total, squares = len(vectors), torch.zeros(()), torch.zeros(())
    for block in vectors.blocks(_BLOCK):
        exact = block.double()
        total, squares = total + exact.sum(0), squares + exact.T @ exact
    mean = total / count
    directions = torch.linalg.eigh(squares / count - torch.outer(mean, mean)).eigenvectors[:, [-1, -2]]
    largest = directions.abs().argmax(0, keepdim=True)
    directions *= directions.gather(0, largest).sign()
    return torch.cat([(block.double() - mean) @ directions for block in vectors.blocks(_BLOCK)]).float()


def _umap(sample: Float[Tensor, "row d"], seed: int) -> Float[Tensor, "row 2"]:
    try:
        from umap import UMAP
    except ImportError:
        raise UserError(
            "a map by UMAP needs a package that is not installed: pip install umap-learn; 'pca' needs none"
        ) from None
    # One job, as a seed asks for; initial coordinates by PCA, as the spectral ones fail on groups far from each other.
    layout = UMAP(n_neighbors=NEIGHBOURS, metric="cosine", init="pca", random_state=seed, n_jobs=1)
    return torch.from_numpy(layout.fit_transform(sample.numpy()))


def _beside(
    vectors: Vectors, sample: Float[Tensor, "sample d"], coordinates: Float[Tensor, "sample 2"]
) -> Float[Tensor, "row 2"]:
    """The weighted mean of the nearest sampled documents' coordinates; a sampled document's own."""
    placed = []
    for block in vectors.blocks(_BLOCK):
        similarity, nearest = (block @ sample.T).topk(_PLACED_BY)
        weights = similarity.clamp(min=1e-6)
        mean = (coordinates[nearest] * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
        itself = similarity[:, 0] > 1 - 1e-6
        placed.append(torch.where(itself[:, None], coordinates[nearest[:, 0]], mean))
    return torch.cat(placed)
