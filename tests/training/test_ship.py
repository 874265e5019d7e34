"""Only a finished run above the bar is shipped, as measured, with the history of the weights it began from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interp.models.card import WEIGHTS, othello_card, read_manifest
from interp.othello.evaluate import evaluate
from interp.othello.transformer import OthelloConfig, OthelloTransformer, load, save
from interp.runs.errors import UserError
from training.othello import ship as module
from training.othello.ship import ship

MODEL = OthelloTransformer(OthelloConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0))


def finished(folder: Path, *, status: str = "complete", warm_start: str = "") -> Path:
    manifest = {
        "config": {"steps": 10, "batch": 4, "warm_start": warm_start}, "seed": 3, "command": "interp othello train --steps 10",
        "versions": {}, "git_revision": None, "status": status, "results": {"legal_top1": 1.0},
    }  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    save(MODEL, folder / "model.safetensors")
    return folder


@pytest.fixture
def low_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_TOP1", 0.0)
    monkeypatch.setattr(module, "LEAST_MASS", 0.0)
    monkeypatch.setattr(module, "GAMES", 5)


@pytest.mark.usefixtures("low_bar")
@pytest.mark.parametrize("half", [False, True])
def test_what_is_written_is_what_was_measured(tmp_path: Path, half: bool) -> None:
    manifest = ship(finished(tmp_path / "run"), tmp_path / "shipped", half=half, device="cpu")
    assert read_manifest(tmp_path / "shipped") == json.loads(json.dumps(manifest))
    again = load(tmp_path / "shipped" / "model.safetensors")
    assert manifest["results"] == {"seed": 7, **evaluate(again, games=5, seed=7)._asdict()}
    weight = MODEL.state_dict()["embed.weight"]
    assert torch.equal(again.embed.weight, weight.half().float() if half else weight)
    assert (tmp_path / "shipped" / "MODEL_CARD.md").read_text() == othello_card(tmp_path / "shipped")


@pytest.mark.usefixtures("low_bar")
def test_history_of_a_warm_start_comes_along(tmp_path: Path) -> None:
    begun = tmp_path / "unfinished" / "model.safetensors"
    save(MODEL, begun, {"progress": json.dumps({"step": 9, "steps": 15, "decay_start": 9})})
    begun.with_name("README.json").write_text(json.dumps({"games": 576, "seed": 1, "command": "the first command"}))
    manifest = ship(finished(tmp_path / "run", warm_start=str(begun)), tmp_path / "shipped", device="cpu")
    assert manifest["games"] == 40 + 576
    (before,) = manifest["history"]
    assert (before["games"], before["command"]) == (576, "the first command") and "9 of 15 steps, before" in before["note"]
    card = (tmp_path / "shipped" / "MODEL_CARD.md").read_text()
    assert "616 random legal games" in card and "| command 1 of 2 | `the first command` (seed 1; stopped" in card
    third = finished(tmp_path / "third", warm_start=str(tmp_path / "shipped" / "model.safetensors"))
    longer = ship(third, tmp_path / "again", device="cpu")
    assert longer["games"] == 40 + 40 + 576 and longer["history"][0] == before and longer["history"][1]["games"] == 40


@pytest.mark.usefixtures("low_bar")
def test_weights_without_a_history_are_refused(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", warm_start=str(tmp_path / "nowhere.safetensors"))
    with pytest.raises(UserError, match="tells their history"):
        ship(run, tmp_path / "shipped", device="cpu")


def test_below_the_bar_and_unfinished_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GAMES", 5)
    with pytest.raises(UserError, match=r"below the bar on 5 unseen games: first choice legal 0\.\d+ \(at least 0\.99\)"):
        ship(finished(tmp_path / "run"), tmp_path / "shipped", device="cpu")
    with pytest.raises(UserError, match="not finished: its status is 'running'"):
        ship(finished(tmp_path / "running", status="running"), tmp_path / "shipped", device="cpu")
    assert not (tmp_path / "shipped").exists()


@pytest.mark.skipif(not (WEIGHTS / "manifest.json").exists(), reason="weights are not shipped yet")
def test_the_shipped_weights_are_those_of_the_manifest_and_above_the_bar() -> None:
    results = read_manifest()["results"]
    assert results["games"] == 2000 and len(results["by_ply"]) == 59
    assert results["legal_top1"] >= 0.99 and results["legal_mass"] >= 0.92
    measured = evaluate(load(WEIGHTS / "model.safetensors"), games=20, seed=7)
    assert measured.legal_top1 == pytest.approx(results["legal_top1"], abs=0.01)
