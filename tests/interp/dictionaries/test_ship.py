"""What ships is what was measured, and a set can be taken up again from its weights alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interp.dictionaries.job import DictionaryJob
from interp.dictionaries.sets import SHIPPED, load_set, shipped_sets
from interp.dictionaries.ship import ship
from interp.dictionaries.train import DictionaryTraining, OthelloDictionaryJob
from interp.othello.transformer import SHIPPED as TRANSFORMER
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.atomic import sha256
from interp.runs.errors import UserError

MODEL = OthelloTransformer(
    OthelloConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0)
)


def job(kind: str, warm_start: str = "", seed: int = 2) -> DictionaryJob:
    settings = DictionaryTraining(kind=kind, steps=10, games=2, d_sae=32, k=4, warm_start=warm_start, seed=seed)
    return OthelloDictionaryJob(settings, MODEL, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "transcoder"])
def test_a_warm_start_goes_on_from_the_same_dictionaries(kind: str, tmp_path: Path) -> None:
    first = job(kind).dictionaries()
    first.save(tmp_path)
    again = job(kind, str(tmp_path), seed=3).dictionaries()
    for site, dictionary in first.items():
        for name, tensor in dictionary.state_dict().items():
            torch.testing.assert_close(again[site].state_dict()[name], tensor, atol=1e-5, rtol=1e-5)


def test_a_warm_start_takes_the_features_of_another_kind(tmp_path: Path) -> None:
    first = job("l1").dictionaries()
    first.save(tmp_path)
    again = job("topk", str(tmp_path), seed=3).dictionaries()
    for site, dictionary in first.items():
        for name, tensor in dictionary.state_dict().items():
            torch.testing.assert_close(again[site].state_dict()[name], tensor, atol=1e-5, rtol=1e-5)


def test_a_warm_start_from_what_reads_something_else_is_refused(tmp_path: Path) -> None:
    job("topk").dictionaries().save(tmp_path)
    with pytest.raises(UserError, match="it has not a transcoder of 32 features at L0M"):
        job("transcoder", str(tmp_path))


def test_an_unfinished_run_is_not_shipped(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"status": "running", "config": {}}))
    with pytest.raises(UserError, match="is not finished"):
        ship(tmp_path, "topk", folder=tmp_path / "shipped")
    assert not (tmp_path / "shipped").exists()


@pytest.mark.parametrize("name", shipped_sets())
def test_shipped_files_are_those_of_their_manifest(name: str) -> None:
    manifest = json.loads((SHIPPED / name / "manifest.json").read_text())
    assert manifest["transformer"] == sha256(TRANSFORMER)
    assert {site: sha256(SHIPPED / name / site / "sae_weights.safetensors") for site in load_set(name)} == manifest["sha256"]


def test_a_warm_started_set_carries_its_history(tmp_path: Path) -> None:
    config = {"steps": 10, "games": 2}
    ran = {"status": "complete", "config": config, "seed": 2, "command": "first", "started": "1"}
    load_set("topk").save(tmp_path / "one" / "set")
    (tmp_path / "one" / "manifest.json").write_text(json.dumps(ran))
    first = ship(tmp_path / "one", "shipped", games=2, folder=tmp_path)
    assert first["positions"] == 10 * 2 * 59 and first["history"] == []
    load_set("topk").save(tmp_path / "two" / "set")
    warm = ran | {"config": config | {"warm_start": str(tmp_path / "shipped")}, "command": "second", "started": "2"}
    (tmp_path / "two" / "manifest.json").write_text(json.dumps(warm))
    for _ in range(2):  # shipping the same run again counts nothing twice
        second = ship(tmp_path / "two", "shipped", games=2, folder=tmp_path)
        assert second["history"] == [{"positions": 1180, "seed": 2, "command": "first"}]
        assert second["positions"] == 2 * 1180
    (tmp_path / "shipped" / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"no manifest\.json there tells its history"):
        ship(tmp_path / "two", "other", games=2, folder=tmp_path)
