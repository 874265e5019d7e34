"""Two processes train as one does: the same games a step, so the same loss curve but for the order of sums."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interp.runs.folder import read_manifest, read_metrics
from tests.interp.runs.two_processes import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run folders of the training by one process and by two."""
    folder = tmp_path_factory.mktemp("runs")
    main(folder / "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    script = ["-m", "tests.interp.runs.two_processes", str(folder / "two")]
    done = subprocess.run([*command, *script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "one", folder / "two"


def test_the_loss_curves_agree(folders: tuple[Path, Path]) -> None:
    one, two = ([line["loss"] for line in read_metrics(folder)] for folder in folders)
    assert len(one) == len(two) == 16 and one[0] - one[-1] > 0.1
    assert two == pytest.approx(one, abs=2e-3)


def test_ranks_agree_and_one_manifest_is_written(folders: tuple[Path, Path]) -> None:
    told = [json.loads((folders[1] / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    assert [rank["processes"] for rank in told] == [2, 2] and told[0]["weights"] == told[1]["weights"]
    assert read_manifest(folders[1])["status"] == "complete"


def test_no_rank_reaches_the_network(folders: tuple[Path, Path]) -> None:
    for rank in (0, 1):
        assert "tests may not reach the network" in json.loads((folders[1] / f"rank{rank}.json").read_text())["foreign"]
