"""Training on two processes: each simulates the ranks, or is one of them, and then all is as in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from interp.runs.folder import read_manifest, read_metrics
from tests.training.moe.dense import written_model, written_text
from tests.training.moe.two_processes import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
Given = tuple[str, str]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("given")
    return str(written_model(folder)), str(written_text(folder))


def train(given: Given, out: Path, **changed: Any) -> None:
    """Train on two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    script = ["-m", "tests.training.moe.two_processes", *given, str(out), json.dumps(changed)]
    done = subprocess.run([*command, *script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_processes_that_simulate_log_the_counts_of_the_whole_step(given: Given, tmp_path: Path) -> None:
    train(given, tmp_path / "run")
    assert read_manifest(tmp_path / "run")["config"]["processes"] == 2
    line = read_metrics(tmp_path / "run")[0]
    for layer in range(4):
        counts = {name: line[f"layer_{layer}_{name}"] for name in ("demand", "kept", "dropped", "padding")}
        assert counts["demand"] == counts["kept"] + counts["dropped"] == 2 * 4 * 96
        assert counts["kept"] + counts["padding"] == 2 * 2 * 4 * 24  # processes, ranks, experts, slots
    assert sorted(pd.read_parquet(tmp_path / "run/passes").step.unique()) == [0, 1]


def test_a_process_a_rank_trains_as_the_simulation_does(given: Given, tmp_path: Path) -> None:
    alone, parallel = tmp_path / "alone", tmp_path / "parallel"
    asked = {"steps": 4, "lr": 1e-2, "warmup": 1, "balance": 0.1, "bias_rate": 0.01}
    main(*given, alone, asked)
    train(given, parallel, **asked, parallel=True)
    for name in ("checkpoint", "model/model"):
        one, two = (load_file(folder / f"{name}.safetensors") for folder in (alone, parallel))
        assert one.keys() == two.keys()
        assert all(torch.allclose(one[key].double(), two[key].double(), rtol=1e-3, atol=1e-5) for key in one), name
    one, two = (read_manifest(folder)["results"] for folder in (alone, parallel))
    assert one.pop("no_mixtral") == two.pop("no_mixtral") and one == pytest.approx(two, rel=1e-4)
    first = [read_metrics(folder)[0] for folder in (alone, parallel)]
    assert first[0] == pytest.approx({name: first[1][name] for name in first[0]}, rel=1e-4, nan_ok=True)
    assert 0 < first[1]["bytes_useful"] < first[1]["bytes_sent"] == 2 * 4 * (4 * 48 * 24 * 4)  # ranks, layers, A7
    for table in ("routes", "passes"):
        one, two = (pd.read_parquet(folder / table) for folder in (alone, parallel))
        pd.testing.assert_frame_equal(one, two, rtol=1e-3, atol=1e-4)


def test_threads_of_the_group_end_before_the_process(given: Given, tmp_path: Path) -> None:
    train(given, tmp_path / "run", parallel=True)
    for rank in (0, 1):
        assert not [name for name in json.loads((tmp_path / f"run-threads{rank}.json").read_text()) if "gloo" in name]


def test_a_parallel_run_goes_on_from_its_checkpoint(given: Given, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"parallel": True, "decay_share": 0.0, "lr": 1e-2}
    train(given, tmp_path / "straight", steps=4, **asked)
    for steps in (2, 4):
        train(given, tmp_path / "prolonged", steps=steps, **asked)
    one, two = (load_file(tmp_path / name / "model/model.safetensors") for name in ("straight", "prolonged"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert load_file(tmp_path / "prolonged/checkpoint.safetensors")["module.model.layers.0.mlp.experts.down_proj"].shape[0] == 4
