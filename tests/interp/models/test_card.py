"""The card says what the manifest says, and refuses weights that the manifest does not describe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from interp.models.card import WEIGHTS, othello_card, read_manifest
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


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other weights than its manifest describes"):
        read_manifest(shipped(tmp_path, weights=b"others"))


def test_absent_weights_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not shipped in full"):
        read_manifest(tmp_path)


@pytest.mark.skipif(not (WEIGHTS / "manifest.json").exists(), reason="weights are not shipped yet")
def test_the_shipped_card_is_the_generated_one() -> None:
    assert (WEIGHTS / "MODEL_CARD.md").read_text() == othello_card()
