"""Training from start to file, and from weights that are given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.othello.evaluate import batch_of, evaluate
from interp.othello.games import random_games
from interp.othello.transformer import OthelloConfig, OthelloTransformer, load, save
from interp.runs.errors import UserError
from interp.runs.folder import read_manifest, read_metrics
from training.othello import train as module
from training.othello.train import OthelloJob, OthelloTraining, train


def test_a_run_learns_and_leaves_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "evaluate", lambda model, *, games, **named: evaluate(model, games=5, **named))
    results = train(OthelloTraining(steps=30, batch=4, warmup=3), tmp_path, device="cpu")
    losses = [line["loss"] for line in read_metrics(tmp_path) if "loss" in line]
    assert losses[-1] < losses[0] - 0.2
    manifest = read_manifest(tmp_path)
    assert manifest["status"] == "complete" and manifest["results"] == results and 0 < results["legal_mass"] < 1
    measured = evaluate(load(tmp_path / "model.safetensors"), games=5, seed=1)
    assert measured.legal_mass == pytest.approx(results["legal_mass"], abs=1e-6)


def test_a_warm_start_begins_from_the_weights_in_any_precision(tmp_path: Path) -> None:
    model = OthelloTransformer(OthelloConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(4))
    save(model.half(), tmp_path / "half.safetensors")
    job = OthelloJob(OthelloTraining(steps=10, warm_start=str(tmp_path / "half.safetensors")), torch.device("cpu"))
    for name, weight in job.model.state_dict().items():
        assert weight.dtype == torch.float32 and torch.equal(weight, model.state_dict()[name].float()), name
    with pytest.raises(UserError, match="holds no Othello transformer"):
        OthelloJob(OthelloTraining(steps=10, warm_start=str(tmp_path / "absent")), torch.device("cpu"))


def test_the_exact_target_is_the_mean_of_sampled_moves() -> None:
    """Cross-entropy against the uniform distribution is the expected loss of one move drawn at random."""
    games = random_games(4, seed=6)
    batch = batch_of(games)
    log_probabilities = torch.randn(*batch.targets.shape, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    legal = batch.targets > 0
    per_move = -(log_probabilities.masked_fill(~legal, 0).sum(-1) / legal.sum(-1))
    torch.testing.assert_close(module.cross_entropy(log_probabilities, batch.targets), per_move)
