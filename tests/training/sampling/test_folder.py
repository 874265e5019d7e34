"""Run folders of `interp sample prepare`, as others read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from interp.runs.atomic import write_frame, write_json, write_tensors
from interp.runs.errors import UserError
from interp.runs.parts import part_path, write_part
from training.sampling.folder import COLUMN, JOB, Embeddings, SamplingRun

VECTORS = torch.nn.functional.normalize(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), dim=1)


def embeddings(folder: Path) -> Embeddings:
    for number, rows in enumerate((VECTORS[:4], VECTORS[4:])):
        column = pa.FixedSizeListArray.from_arrays(rows.flatten().numpy(), 3)
        write_part(part_path(folder, number), pa.table({COLUMN: column}))
    return Embeddings(folder)


def test_embeddings_in_blocks_and_by_number(tmp_path: Path) -> None:
    found = embeddings(tmp_path)
    assert (len(found), found.width) == (7, 3)
    assert torch.equal(torch.cat(list(found.blocks(rows=3))), VECTORS)
    assert torch.equal(found.rows([6, 0, 5, 0]), VECTORS[[6, 0, 5, 0]])
    assert torch.equal(found.rows(torch.tensor([4])), VECTORS[[4]])
    assert found.rows([]).shape == (0, 3)


@pytest.fixture
def run(tmp_path: Path) -> SamplingRun:
    write_json(tmp_path / "manifest.json", {"config": {"job": JOB}, "seed": 0, "status": "complete"})
    names = [f"d{number}" for number in range(5)]
    duplicate_of = [None, None, None, "d0", None]
    write_frame(
        tmp_path / "assignments.parquet",
        pd.DataFrame({"id": names, "cluster": [1, 0, 0, 1, 0], "duplicate_of": duplicate_of}),
    )
    write_frame(tmp_path / "clusters.parquet", pd.DataFrame({"cluster": [0, 1, 2], "size": [3, 1, 0]}))
    write_tensors(tmp_path / "centroids.safetensors", {"centroids": VECTORS[:3]})
    write_part(part_path(tmp_path / "documents", 0), pa.table({"id": names, "text": list("abcde")}))
    return SamplingRun.open(tmp_path)


def test_members_are_documents_that_are_no_duplicates(run: SamplingRun) -> None:
    assert [run.members(cluster).tolist() for cluster in range(3)] == [[1, 2, 4], [0], []]
    assert run.sizes.tolist() == [len(run.members(cluster)) for cluster in range(3)]


def test_documents(run: SamplingRun) -> None:
    assert len(run) == 5
    assert pa.Table.from_batches(run.documents(["text"])).to_pydict() == {"text": list("abcde")}
    assert run.documents_at(np.array([4, 0]))["id"].to_pylist() == ["d4", "d0"]
    assert torch.equal(run.centroids, VECTORS[:3])


def test_embeddings_that_are_not_those_of_the_documents_are_refused(run: SamplingRun) -> None:
    with pytest.raises(UserError, match="holds embeddings of 0 of 5 documents"):
        run.embeddings  # noqa: B018
    embeddings(run.path / "embeddings")
    with pytest.raises(UserError, match="holds embeddings of 7 of 5 documents"):
        run.embeddings  # noqa: B018


@pytest.mark.parametrize(
    "manifest, said",
    [
        ({"config": {"job": JOB}, "status": "running"}, "not finished"),
        ({"config": {}, "status": "complete"}, "another kind"),
        (None, "no run folder"),
    ],
)
def test_folders_that_are_no_finished_run(tmp_path: Path, manifest: dict[str, object] | None, said: str) -> None:
    if manifest is not None:
        write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(UserError, match=said):
        SamplingRun.open(tmp_path)
