"""Embed the documents of a run: a part at a time, under any engine, resumable at every part.

Before the start, a sample of the texts is embedded to tell how long the whole will take.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import PartialState
from jaxtyping import Float, Int
from torch import Tensor

from interp.runs.device import resolve
from interp.runs.engines import Engine, Shard, map_shards, pending, processes
from interp.runs.parts import Parts, write_part
from interp.runs.progress import duration
from training.sampling.embedders import TFIDF, Embedder, transformer_embedder
from training.sampling.folder import COLUMN
from training.sampling.tfidf import TfidfEmbedder, fit_tfidf

SAMPLED = 96
"""Texts that are embedded to estimate the time of the whole."""
_BLOCK = 2048
_FITTED = 50_000
"""Documents, at most, that TF-IDF learns its words from."""


@dataclass(frozen=True)
class EmbedStage:
    """Documents' part in, embeddings' part out."""

    embedder: str
    """A name of `training.sampling.embedders`, or the folder of a fitted TF-IDF."""
    device: str = "auto"

    def __call__(self, source: Path, target: Path) -> None:
        """Embed the texts of the Parquet file `source`."""
        texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
        write_part(target, table_of(loaded(self.embedder, self.device)(texts)), compression="none")


def table_of(vectors: Float[Tensor, "row d"]) -> pa.Table:
    """Vectors as the column that embeddings' parts have."""
    values = pa.array(vectors.contiguous().numpy().reshape(-1), pa.float32())
    return pa.table({COLUMN: pa.FixedSizeListArray.from_arrays(values, vectors.shape[1])})


def loaded(embedder: str, device: str) -> Embedder:
    """The embedder; the last one stays in memory, until its folder changes. Raises UserError for a name that is none."""
    folder = Path(embedder)
    return _loaded(embedder, device, folder.stat().st_mtime_ns if folder.exists() else None)


@functools.lru_cache(maxsize=1)
def _loaded(embedder: str, device: str, changed: int | None) -> Embedder:
    folder = Path(embedder)
    if (folder / "words.json").exists():
        return TfidfEmbedder.load(folder)
    return transformer_embedder(embedder, device)


def embed(
    documents: Parts,
    folder: Path,
    embedder: str,
    *,
    engine: Engine = "auto",
    workers: int | None = None,
    device: str = "auto",
    seed: int = 0,
) -> None:
    """Write unit vectors of all `documents` to `folder`, part by part; parts that are there stay as they are.

    Under torchrun every rank calls this; it returns when all parts are there. Raises UserError for an embedder or engine
    that is none.
    """
    shards = [Shard(path, folder / path.name, pq.read_metadata(path).num_rows) for path in documents.paths]
    if not pending(shards):
        return
    where = resolve(device)
    name = _fitted(documents, folder.parent / TFIDF, seed) if embedder == TFIDF else embedder
    stage = EmbedStage(name, where.type if where.index is None else str(where))
    if PartialState().is_main_process:
        sample = list(texts_at(documents, np.linspace(0, len(documents) - 1, min(SAMPLED, len(documents))).astype(int)))
        _tell(stage, sample, pending(shards), processes(len(pending(shards)), engine, workers, stage.device))
    map_shards(stage, shards, engine=engine, workers=workers, device=stage.device, label="embed")


def _fitted(documents: Parts, folder: Path, seed: int) -> str:
    """Where TF-IDF, fitted to a random sample of the documents, lies."""
    with PartialState().main_process_first():
        if not (folder / "weights.safetensors").exists():
            chosen = np.random.default_rng(seed).permutation(len(documents))[:_FITTED]
            fit_tfidf(texts_at(documents, np.sort(chosen)), seed=seed).save(folder)
    return str(folder.resolve())


def texts_at(documents: Parts, numbers: Int[np.ndarray, " document"]) -> Iterator[str]:
    """The texts of these documents; rising numbers are read in one pass, a block in memory at a time."""
    for first in range(0, len(numbers), _BLOCK):
        yield from documents.take(numbers[first : first + _BLOCK], ["text"])["text"].to_pylist()


def _tell(stage: EmbedStage, sample: Sequence[str], shards: Sequence[Shard], workers: int) -> None:
    """Embed a sample and say what the whole will take."""
    embedder = loaded(stage.embedder, stage.device)
    embedder(sample[:4])
    began = time.monotonic()
    width = embedder(sample).shape[1]
    each = (time.monotonic() - began) / len(sample)
    left = sum(shard.weight for shard in shards)
    # Processes share the cores that the sample had to itself, so more of them are no reason for less time.
    memory = psutil.Process(os.getpid()).memory_info().rss * workers
    told = (
        f"embed: about {duration(each * left)} for {left:,} documents, about {memory / 1e9:.1f} of "
        f"{psutil.virtual_memory().total / 1e9:.1f} GB of memory, {left * width * 4 / 1e6:,.0f} MB on disk"
    )
    print(told, file=sys.stderr, flush=True)
