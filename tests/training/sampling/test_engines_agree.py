"""Embedding in this process, in a pool, on two ranks of torchrun and on Ray: the same vectors and labels (Precisions, 5)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from interp.corpora.store import store
from interp.runs.parts import Parts
from tests.training.sampling.corpus import write_corpus
from training.sampling.assign import assign
from training.sampling.embed import embed
from training.sampling.folder import Embeddings
from training.sampling.kmeans import KMeansOptions, spherical_kmeans
from training.sampling.vectors import Matrix

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.Tensor]:
    """Documents in three parts, and their embeddings made in this process."""
    folder = tmp_path_factory.mktemp("corpus")
    documents = store(str(write_corpus(folder / "corpus.jsonl")), folder, part_rows=20)
    embed(documents, folder / "embeddings", "minilm", engine="inline", device="cpu")
    return folder, Embeddings(folder / "embeddings").rows(range(53))


def by_torchrun(folder: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    script = ["-m", "tests.training.sampling.embed_ranks", str(folder)]
    done = subprocess.run([*command, *script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ["process", "torchrun", "ray"])
def test_engines_agree(stored: tuple[Path, torch.Tensor], tmp_path: Path, engine: str) -> None:
    folder, expected = stored
    shutil.copytree(folder / "documents", tmp_path / "documents")
    if engine == "torchrun":
        by_torchrun(tmp_path)
    else:
        embed(Parts(tmp_path / "documents"), tmp_path / "embeddings", "minilm", engine=engine, workers=2, device="cpu")  # type: ignore[arg-type]
    found = Embeddings(tmp_path / "embeddings").rows(range(53))
    assert (found - expected).abs().max() < 1e-5
    centroids = spherical_kmeans(Matrix(expected), KMeansOptions(3, seed=2), progress=False).centroids
    ours, theirs = (assign(Matrix(vectors), centroids) for vectors in (expected, found))
    assert ((ours.cluster == theirs.cluster) | (ours.margin < 1e-5)).all()
