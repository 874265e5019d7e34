"""A prepared run out of nothing: planted clusters of falling size, with texts, metadata and a map, of any size.

It has the files that `interp sample prepare` leaves, without the cost of embedding.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from jaxtyping import Int

from interp.runs.atomic import write_frame, write_json, write_tensors
from interp.runs.parts import part_path, write_part
from training.sampling.folder import JOB, SamplingRun

_PART, _WIDTH, _EXAMPLES = 20_000, 16, 5
_WORDS = ("river", "matrix", "violin", "harvest", "engine", "lantern", "orbit", "saddle", "tariff", "glacier", "puppet")


def make_corpus(folder: Path, *, documents: int, clusters: int, empty: int = 0, seed: int = 0) -> SamplingRun:
    """Write a finished run to `folder`: sizes fall as 1/rank, the last `empty` clusters have none.

    One document in fifty repeats another one of the first cluster. Metadata: `source` (web, books, code), `language`
    (en, zh). Document 0 belongs to the first cluster and its text is HTML.
    """
    generator = np.random.default_rng(seed)
    duplicates, full = documents // 50, clusters - empty
    weights = 1 / np.arange(1, full + 1)
    sizes = 1 + np.sort(generator.multinomial(documents - duplicates - full, weights / weights.sum()))[::-1]
    cluster = np.concatenate([np.zeros(duplicates, int), np.repeat(np.arange(full), sizes)])
    copy = np.arange(documents) < duplicates
    order = np.concatenate([[duplicates], generator.permutation(np.delete(np.arange(documents), duplicates))])
    cluster, copy = cluster[order], copy[order]
    ids = np.array([f"doc-{number}" for number in range(documents)])
    _write_documents(folder / "documents", ids, cluster, generator)
    assigned = _assignments(ids, cluster, copy, clusters, generator)
    write_frame(folder / "assignments.parquet", assigned)
    write_frame(folder / "clusters.parquet", _clusters(assigned, clusters))
    centroids = torch.from_numpy(generator.normal(size=(clusters, _WIDTH)).astype(np.float32))
    write_tensors(folder / "centroids.safetensors", {"centroids": torch.nn.functional.normalize(centroids)})
    results = {"documents": documents, "clusters": clusters, "duplicates": duplicates, "inertia": 0.31, "set_aside": 0}
    manifest = {"config": {"job": JOB, "source": "made", "embedder": "none"}, "seed": seed, "status": "complete"}
    write_json(folder / "manifest.json", manifest | {"results": results})
    return SamplingRun.open(folder)


def _write_documents(
    folder: Path, ids: np.ndarray, cluster: Int[np.ndarray, " document"], generator: np.random.Generator
) -> None:
    words = np.array(_WORDS)
    texts = [f"On {words[one % len(words)]} {number}: " + "lorem " * (number % 40) for number, one in enumerate(cluster)]
    texts[0] = "<script>alert('hostile')</script> **bold** $x$"
    table = pa.table(
        {
            "id": pa.array(ids.tolist(), pa.string()),
            "text": pa.array(texts, pa.large_string()),
            "characters": np.array([len(text) for text in texts]),
            "source": generator.choice(["web", "books", "code"], len(ids), p=[0.6, 0.3, 0.1]).tolist(),
            "language": np.where(cluster % 2, "en", "zh").tolist(),
        }
    )
    for part, first in enumerate(range(0, len(ids), _PART)):
        write_part(part_path(folder, part), table[first : first + _PART])


def _assignments(
    ids: np.ndarray, cluster: np.ndarray, copy: np.ndarray, clusters: int, generator: np.random.Generator
) -> pd.DataFrame:
    centres = generator.normal(scale=8, size=(clusters, 2))
    x, y = (centres[cluster] + generator.normal(scale=0.6, size=(len(ids), 2))).astype(np.float32).T
    similarity = generator.uniform(0.3, 0.9, len(ids)).astype(np.float32)
    return pd.DataFrame(
        {
            "id": ids,
            "cluster": cluster.astype(np.int32),
            "similarity": similarity,
            "second": ((cluster + 1) % clusters).astype(np.int32),
            "margin": (similarity / 4).astype(np.float32),
            "duplicate_of": np.where(copy, ids[0], None),
            "x": x,
            "y": y,
        }
    )


def _clusters(assigned: pd.DataFrame, clusters: int) -> pd.DataFrame:
    kept, copies = assigned[assigned["duplicate_of"].isna()], assigned[assigned["duplicate_of"].notna()]
    by = kept.groupby("cluster")
    firsts = by["id"].apply(lambda ids: ids.head(_EXAMPLES).tolist()).reindex(range(clusters))
    examples = [ids if isinstance(ids, list) else [] for ids in firsts]
    return pd.DataFrame(
        {
            "cluster": np.arange(clusters, dtype=np.int32),
            "size": by.size().reindex(range(clusters), fill_value=0).to_numpy(np.int64),
            "duplicates": copies.groupby("cluster").size().reindex(range(clusters), fill_value=0).to_numpy(np.int64),
            "characters": 100 * by.size().reindex(range(clusters), fill_value=0).to_numpy(np.int64),
            "similarity": by["similarity"].mean().reindex(range(clusters)).to_numpy(),
            "terms": [[_WORDS[(one + step) % len(_WORDS)] for step in range(6)] for one in range(clusters)],
            **{kind: examples for kind in ("medoids", "borderline", "random")},
        }
    )
