"""From a corpus to clusters, in stages that each leave a file: documents, embeddings, near-duplicates, centroids, the rest.

A run goes on where it was killed: embedding at its last whole part, any other stage at its beginning. What does not depend
on the clusters can be taken over from another run. What the folder holds in the end is in `training.sampling.folder`.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from accelerate import PartialState
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from torch import Tensor

from interp.corpora.store import store
from interp.runs.atomic import write_tensors
from interp.runs.device import resolve
from interp.runs.engines import Engine
from interp.runs.errors import UserError, check_known
from interp.runs.parts import Parts, write_part
from interp.runs.refusable import refusable
from training.sampling import kmeans
from training.sampling.assign import Assignment, assign
from training.sampling.choose_k import mean_silhouette
from training.sampling.duplicates import DuplicateOptions, near_duplicates
from training.sampling.embed import embed, texts_at
from training.sampling.embedders import MINILM, check_embedder
from training.sampling.examples import examples, sampled
from training.sampling.folder import JOB, Embeddings
from training.sampling.kmeans import KMeansOptions, check_clusters, spherical_kmeans
from training.sampling.map import Method, document_map
from training.sampling.reuse import embedded_run, take_over
from training.sampling.terms import MOST, cluster_terms
from training.sampling.vectors import Subset


@dataclass(frozen=True)
class Preparation:
    """Settings of one run."""

    text_column: str = "text"
    id_column: str = "id"
    """Where there is none, a document's id is its place."""
    embedder: str = MINILM
    """minilm, tfidf, a folder in sentence-transformers' format, or a Hugging Face id."""
    clusters: int = 50
    duplicates: float = 0.8
    """Jaccard similarity of word triples from which a document is a near-duplicate; 0 looks for none."""
    iterations: int = KMeansOptions.iterations
    patience: int = KMeansOptions.patience
    clustering: kmeans.Engine = "torch"
    map: Method = "umap"
    seed: int = KMeansOptions.seed


class Clustered(NamedTuple):
    """Centroids and how they came about."""

    centroids: Float[Tensor, "cluster d"]
    inertia: float
    """Mean of 1 - cosine to the nearest centroid over the documents that are no duplicates."""
    steps: int
    warning: str | None


def prepare(
    source: str,
    out: Path,
    settings: Preparation,
    *,
    embedded: Path | None = None,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Prepare the corpus `source` in the run folder `out`, or go on with the run there; return its results.

    `embedded` is a finished run of the same source, columns and embedder, whose documents and embeddings are taken over:
    as it read them, whatever has become of the source since.

    Results: documents, characters, clusters, duplicates, set_aside, inertia, silhouette (mean over a sample), steps,
    seconds (of this call), warning.
    Under torchrun all ranks embed, the first one does the rest, and the others return an empty result.

    Raises UserError for a corpus that is none, a number of clusters that does not fit it, an unknown setting, or a run that
    embedded something else.
    """
    began, where = time.monotonic(), resolve(device)
    _check(settings, engine)
    config = {"job": JOB, "source": source, **asdict(settings)}
    other = embedded_run(embedded, config) if embedded else None
    with refusable(out, config=config, seed=config.pop("seed")) as run:
        with PartialState().main_process_first():
            if other:
                take_over(other, out, config)
            documents = store(source, out, text_column=settings.text_column, id_column=settings.id_column)
        check_clusters(settings.clusters, len(documents))
    embed(
        documents, out / "embeddings", settings.embedder, engine=engine, workers=workers, device=device, seed=settings.seed
    )
    if not run.primary:
        return {}
    results = _cluster(documents, out, settings, where)
    results |= {"set_aside": pq.read_metadata(out / "set_aside.parquet").num_rows, "seconds": time.monotonic() - began}
    run.finish(results)
    return results


def _check(settings: Preparation, engine: Engine) -> None:
    """Raises UserError for what no corpus could make right, before anything is read or written."""
    check_embedder(settings.embedder)
    if settings.clusters < 2:
        raise UserError(f"{settings.clusters} clusters were asked for; accepted are 2 to as many as documents")
    if not 0 <= settings.duplicates <= 1:
        raise UserError(f"near-duplicates at similarity {settings.duplicates} were asked for; accepted are 0 (none) to 1")
    check_known("map", settings.map, Method)
    check_known("clustering", settings.clustering, kmeans.Engine)
    check_known("engine", engine, Engine)


def _cluster(documents: Parts, out: Path, settings: Preparation, device: torch.device) -> dict[str, Any]:
    """All that follows the embeddings; written to `out`, figures returned."""
    embeddings = Embeddings(out / "embeddings")
    original = _duplicates(documents, out / "duplicates.parquet", settings.duplicates)
    kept = original < 0
    found = _centroids(embeddings, kept, out / "centroids.safetensors", settings, device)
    if found.warning:
        print(f"warning: {found.warning}", file=sys.stderr)
    assignment = assign(embeddings, found.centroids.to(device), progress=True)
    ids = documents.column("id")
    place = document_map(embeddings, method=settings.map, seed=settings.seed)
    write_part(out / "assignments.parquet", _assignments(assignment, ids, original, place))
    clusters = _clusters(documents, assignment, kept, ids, len(found.centroids), settings.seed)
    write_part(out / "clusters.parquet", clusters)
    return {
        "documents": len(documents),
        "characters": int(np.sum(documents.column("characters").to_numpy())),
        "clusters": len(found.centroids),
        "duplicates": int((~kept).sum()),
        "inertia": found.inertia,
        "silhouette": mean_silhouette(Subset(embeddings, kept), found.centroids, seed=settings.seed),
        "steps": found.steps,
        "warning": found.warning,
    }


def _duplicates(documents: Parts, path: Path, threshold: float) -> Int[np.ndarray, " document"]:
    """For each document the number of the one that it repeats, -1 for those that are kept."""
    if threshold == 0:
        return np.full(len(documents), -1)
    if not path.exists():
        texts = (text.as_py() for batch in documents.batches(["text"]) for text in batch.column(0))
        write_part(path, pa.table({"original": near_duplicates(texts, DuplicateOptions(threshold=threshold))}))
    return pq.read_table(path)["original"].to_numpy()


def _centroids(
    embeddings: Embeddings, kept: Bool[np.ndarray, " document"], path: Path, settings: Preparation, device: torch.device
) -> Clustered:
    if not path.exists():
        options = KMeansOptions(
            settings.clusters, settings.iterations, settings.patience, settings.seed, engine=settings.clustering
        )
        found = spherical_kmeans(embeddings, options, kept=kept, device=device)
        told = {"inertia": found.inertia, "steps": len(found.history), "warning": found.warning}
        write_tensors(path, {"centroids": found.centroids}, {"clustering": json.dumps(told)})
    with safe_open(path, framework="pt") as file:
        return Clustered(file.get_tensor("centroids"), **json.loads(file.metadata()["clustering"]))


def _assignments(
    assignment: Assignment,
    ids: pa.ChunkedArray,
    original: Int[np.ndarray, " document"],
    place: Float[np.ndarray, "document 2"],
) -> pa.Table:
    duplicate_of = ids.take(pa.array(original, mask=original < 0))
    measured = {name: pa.array(values, from_pandas=True) for name, values in assignment._asdict().items()}
    x, y = (pa.array(axis, from_pandas=True) for axis in place.T)  # from_pandas: NaN becomes null
    return pa.table({"id": ids, **measured, "duplicate_of": duplicate_of, "x": x, "y": y})


def _clusters(
    documents: Parts,
    assignment: Assignment,
    kept: Bool[np.ndarray, " document"],
    ids: pa.ChunkedArray,
    clusters: int,
    seed: int,
) -> pa.Table:
    """A row a cluster; size, characters and similarity are of the documents that are no duplicates."""
    cluster = assignment.cluster

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(cluster, weights=weights, minlength=clusters)

    characters = documents.column("characters").to_numpy()
    size, similarity = total(kept), total(assignment.similarity * kept)
    mean = np.divide(similarity, size, out=np.full(clusters, np.nan), where=size > 0)
    chosen = sampled(cluster, kept=kept, most=MOST, seed=seed)
    shown = examples(assignment, clusters, kept=kept, seed=seed)
    named = {kind: [_named(ids, getattr(one, kind)) for one in shown] for kind in ("medoids", "borderline", "random")}
    words = pa.list_(pa.string())
    return pa.table(
        {
            "cluster": pa.array(range(clusters), pa.int32()),
            "size": pa.array(size.astype(np.int64)),
            "duplicates": pa.array(total(~kept).astype(np.int64)),
            "characters": pa.array(total(characters * kept).astype(np.int64)),
            "similarity": pa.array(mean, from_pandas=True),
            "terms": pa.array(cluster_terms(texts_at(documents, chosen), cluster[chosen], clusters), words),
            **{kind: pa.array(names, words) for kind, names in named.items()},
        }
    )


def _named(ids: pa.ChunkedArray, numbers: list[int]) -> list[str]:
    return ids.take(pa.array(numbers, pa.int64())).to_pylist()
