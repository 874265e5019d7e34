"""The shipped run is whole, small and licensed; what cannot be shipped leaves the shipped one as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.made_corpus import make_corpus
from interp.runs.atomic import sha256, write_json
from interp.runs.errors import UserError
from training.sampling.folder import SamplingRun
from training.sampling.ship import DEMO, LARGEST, MOST_CHARACTERS, ship


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    made = make_corpus(path, documents=60, clusters=4)
    write_json(path / "manifest.json", made.manifest | {"results": made.manifest["results"] | {"characters": 5_000}})
    return path


def test_shipped_run_reads_like_any_other() -> None:
    found = SamplingRun.open(DEMO)
    kept = found.assignments["duplicate_of"].isna()
    assert len(found) == len(found.assignments) == found.manifest["results"]["documents"]
    assert np.array_equal(np.bincount(found.assignments["cluster"][kept]), found.sizes)
    assert found.centroids.norm(dim=1).numpy() == pytest.approx(1.0, abs=1e-4)
    assert found.assignments[["x", "y"]].notna().all(axis=None)


def test_shipped_run_is_small_and_licensed_and_unchanged() -> None:
    files = [path for path in DEMO.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    texts = [text.as_py() for batch in SamplingRun.open(DEMO).documents(["text"]) for text in batch.column(0)]
    assert sum(map(len, texts)) <= MOST_CHARACTERS
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in (DEMO / "LICENSE.txt").read_text()
    manifest = json.loads((DEMO / "manifest.json").read_text())
    assert manifest["command"].startswith("interp sample prepare")
    assert manifest["sha256"] == {
        str(path.relative_to(DEMO)): sha256(path) for path in files if path.name != "manifest.json"
    }


def test_ship_leaves_embeddings_behind(run: Path, tmp_path: Path) -> None:
    (run / "embeddings").mkdir()
    (run / "embeddings" / "part-00000.parquet").write_bytes(b"large")
    (run / "set_aside.parquet").write_bytes(b"nothing")
    (tmp_path / "LICENSE").write_text("free")
    manifest = ship(run, tmp_path / "demo", license_file=tmp_path / "LICENSE")
    assert not (tmp_path / "demo" / "embeddings").exists() and (tmp_path / "demo" / "LICENSE.txt").read_text() == "free"
    assert set(manifest["sha256"]) >= {"documents/part-00000.parquet", "clusters.parquet"}
    assert len(SamplingRun.open(tmp_path / "demo")) == 60


@pytest.mark.parametrize("wrong", ["large", "licence", "unfinished"])
def test_what_cannot_be_shipped_changes_nothing(run: Path, tmp_path: Path, wrong: str) -> None:
    demo, license_file = tmp_path / "demo", tmp_path / "LICENSE"
    demo.mkdir()
    (demo / "kept").touch()
    (run / "set_aside.parquet").touch()
    manifest = json.loads((run / "manifest.json").read_text())
    if wrong != "licence":
        license_file.touch()
    if wrong == "large":
        manifest["results"]["characters"] = 2_000_000
    if wrong == "unfinished":
        manifest["status"] = "running"
    write_json(run / "manifest.json", manifest)
    with pytest.raises(UserError):
        ship(run, demo, license_file=license_file)
    assert (demo / "kept").exists()
