"""Both sides take the same step, and the peer's process answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmarks.dictionary_training import LR, REQUIREMENT, Size, activations, fresh_bank, measure, sparse_step
from benchmarks.peers.dense_autograd import DenseTrainer
from benchmarks.peers.process import BUILD, Peer
from interp.othello.transformer import OthelloConfig, OthelloTransformer

SMALL = Size(d_sae=64, k=4, rows=100, batches=2, repeats=1)
SAELENS = BUILD / "saelens-venv"
STUB = """
import json, sys
print(json.dumps({"sae_lens": "stub", "given": json.loads(sys.argv[1])}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"seconds": asked["steps"] * 10.0}), flush=True)
"""


def model() -> OthelloTransformer:
    config = OthelloConfig(n_layers=1, d_model=32, n_heads=2, d_mlp=64)
    return OthelloTransformer(config, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rows_at_once", [100, 30])
def test_the_dense_step_ends_where_ours_ends(rows_at_once: int) -> None:
    batches = activations(model(), SMALL)
    ours, dense = fresh_bank(batches[0], SMALL), fresh_bank(batches[0], SMALL)
    began = ours.encoder.detach().clone()
    step, trainer = sparse_step(ours, SMALL.k), DenseTrainer(dense, SMALL.k, lr=LR, rows_at_once=rows_at_once)
    for batch in batches:
        step(batch)
        trainer.step(batch)
    assert (ours.encoder - began).abs().max() > LR
    for name, parameter in dense.named_parameters():
        # Adam's first steps have the size of the learning rate whatever the gradient's, so agree to a small part of it.
        close = (parameter - dict(ours.named_parameters())[name]).abs() < 0.05 * LR
        assert close.double().mean() > 0.999, name


def test_measures_both_cases_in_turn_with_a_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = tmp_path / "peers" / "saelens.py"
    stub.parent.mkdir()
    stub.write_text(STUB)
    monkeypatch.setattr("benchmarks.dictionary_training.__file__", str(tmp_path / "dictionary_training.py"))
    result = measure(model(), SMALL, Path(sys.executable))
    assert [case["sites"] for case in result["cases"]] == [1, 2]
    assert result["peer"]["given"]["threads"] == torch.get_num_threads()
    for case in result["cases"]:
        assert case["saelens_tokens_per_second"] == 10
        assert case["times_saelens"] == pytest.approx(case["tokens_per_second"] / 10, rel=0.01, abs=0.005)
        assert case["times_dense_autograd"] == pytest.approx(
            case["tokens_per_second"] / case["dense_tokens_per_second"], rel=0.05, abs=0.005  # it has two decimals
        )
    assert result["least_times_saelens"] == min(case["times_saelens"] for case in result["cases"])


def test_a_peer_that_dies_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "peer.py"
    script.write_text("raise SystemExit(3)")
    with pytest.raises(RuntimeError, match="ended with code 3"):
        Peer(Path(sys.executable), script, {})


@pytest.mark.slow
@pytest.mark.skipif(not (SAELENS / f"{REQUIREMENT}.installed").exists(), reason="the benchmark's environment is not made")
def test_saelens_runs_its_own_loop(tmp_path: Path) -> None:
    file = tmp_path / "activations.safetensors"
    save_file({"batches": torch.randn(2, 2, 64, 16)}, file)
    script = Path(__file__).parents[2] / "benchmarks" / "peers" / "saelens.py"
    argument = {"activations": str(file), "k": 4, "d_sae": 32, "threads": 1}
    with Peer(SAELENS / "bin" / "python", script, argument) as peer:
        assert f"sae-lens=={peer.about['sae_lens']}" == REQUIREMENT
        for sites in (1, 2):
            assert peer.ask({"sites": sites, "steps": 3})["seconds"] > 0
