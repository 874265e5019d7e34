"""The card says what the manifest says, and refuses weights that the manifest does not describe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from interp.models.card import WEIGHTS, othello_card, read_manifest, set_card
from interp.runs.errors import UserError

RESULTS = {"games": 2000, "legal_top1": 0.99123, "legal_mass": 0.93, "cross_entropy": 2.1, "floor": 2.0}


def shipped(folder: Path, *, weights: bytes = b"weights") -> Path:
    (folder / "model.safetensors").write_bytes(weights)
    manifest = {
        "config": {"steps": 100, "batch": 64}, "seed": 1, "command": "interp othello train", "results": RESULTS,
        "games": 6400, "history": [],
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_figures_come_from_the_manifest(tmp_path: Path) -> None:
    card = othello_card(shipped(tmp_path))
    assert "6,400 random legal games" in card and "| first choice legal | 0.9912 |" in card


def test_probes_beside_the_weights_have_a_section(tmp_path: Path) -> None:
    assert "## Probes" not in othello_card(shipped(tmp_path))
    row = {"frame": "mine", "depth": 3, "accuracy": 0.98765, "random_weights": 0.71, "majority": 0.61}
    report = {"frames": {"mine": ["mine", "theirs", "empty"]}, "accuracy": [row], "games": 12_800, "test_games": 1000, "seed": 5}
    (tmp_path / "probes.json").write_text(json.dumps(report))
    assert "| mine / theirs / empty | 3 | 0.9877 | 0.7100 | 0.6100 |" in othello_card(tmp_path)


def test_a_set_is_described_by_its_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no dictionary set"):
        set_card(tmp_path)
    for site in ("L0A", "L0M"):
        (tmp_path / site).mkdir()
        (tmp_path / site / "cfg.json").write_text(json.dumps({"architecture": "topk", "d_in": 128, "d_sae": 1024}))
    site = {"site": "L0A", "l0": 30.25, "explained_variance": 0.961, "loss_recovered": None, "zero_cost": 0.2, "alive": 0.5}
    results = {"games": 200, "sites": [site], "joint_legal_top1": 0.951, "model_legal_top1": 0.991}
    manifest = {
        "command": "interp dictionaries train", "seed": 2, "positions": 49_843_200, "transformer": "ab", "results": results,
        "history": [{"command": "the first command", "seed": 1}],
    }  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    card = set_card(tmp_path)
    for told in ("| architecture | topk, 128 -> 1024 |", "| sites | L0A L0M |", "49,843,200 positions", "| command 1 of 2 | `the first command` (seed 1) |", "on 200 unseen games", "| L0A | 30.25 | 0.961 | - | 0.2 | 0.5 |", "0.9510 with all sites"):
        assert told in card


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other weights than its manifest describes"):
        read_manifest(shipped(tmp_path, weights=b"others"))


def test_absent_weights_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not shipped in full"):
        read_manifest(tmp_path)


@pytest.mark.skipif(not (WEIGHTS / "manifest.json").exists(), reason="weights are not shipped yet")
def test_the_shipped_card_is_the_generated_one() -> None:
    assert (WEIGHTS / "MODEL_CARD.md").read_text() == othello_card()
