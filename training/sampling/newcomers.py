"""New documents in an old run's clusters: embedded as the run's were, each given the nearest centroid.

runs/<name>/manifest.json, documents/, embeddings/, set_aside.parquet   as in `training.sampling.folder`
runs/<name>/assignments.parquet   id, cluster, similarity, second, margin: a row a document
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import PartialState

from interp.corpora.store import store
from interp.runs.device import resolve
from interp.runs.engines import Engine
from interp.runs.errors import check_known
from interp.runs.parts import Parts, write_part
from interp.runs.refusable import refusable
from training.sampling.assign import Assignment, assign
from training.sampling.embed import embed
from training.sampling.embedders import TFIDF
from training.sampling.folder import Embeddings, SamplingRun

JOB = "sample assign"
"""What the manifest's config says of the folder under `job`."""


def assign_corpus(
    old: SamplingRun,
    source: str,
    out: Path,
    *,
    text_column: str = "text",
    id_column: str = "id",
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Assign the corpus `source` to the clusters of `old` in the run folder `out`, or go on with the run there.

    Results: documents, set_aside, counts (documents of each cluster), similarity (their mean to their centroids; far below
    that of the old run's documents, the clusters do not fit), seconds. Torchrun's ranks but the first return nothing.

    Raises UserError for a corpus that is none, or a folder that holds another run.
    """
    began, where = time.monotonic(), resolve(device)
    check_known("engine", engine, Engine)
    embedder, columns = old.manifest["config"]["embedder"], {"text_column": text_column, "id_column": id_column}
    config = {"job": JOB, "run": str(old.path), "source": source, "embedder": embedder, **columns}
    with refusable(out, config=config, seed=old.manifest["seed"]) as run, PartialState().main_process_first():
        documents = store(source, out, text_column=text_column, id_column=id_column)
    fitted = str((old.path / TFIDF).resolve()) if embedder == TFIDF else embedder
    embed(documents, out / "embeddings", fitted, engine=engine, workers=workers, device=device)
    if not run.primary:
        return {}
    found = assign(Embeddings(out / "embeddings"), old.centroids.to(where), progress=True)
    write_part(out / "assignments.parquet", _table(documents, found))
    results = {
        "documents": len(documents),
        "set_aside": pq.read_metadata(out / "set_aside.parquet").num_rows,
        "counts": np.bincount(found.cluster, minlength=len(old.centroids)).tolist(),
        "similarity": float(found.similarity.mean()),
        "seconds": time.monotonic() - began,
    }
    run.finish(results)
    return results


def _table(documents: Parts, found: Assignment) -> pa.Table:
    measured = {name: pa.array(values, from_pandas=True) for name, values in found._asdict().items()}
    return pa.table({"id": documents.column("id"), **measured})
