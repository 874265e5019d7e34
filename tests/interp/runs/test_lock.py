"""One process a run folder, and a killed one leaves it free."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from interp.runs.errors import UserError
from interp.runs.folder import Run

HOLD = """
import sys, time
from pathlib import Path
from interp.runs.lock import acquire
acquire(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the run folder `tmp_path / "run"`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run"), "60"], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(UserError, match=rf"run is in use by process {holder.pid}: wait until it ends, or take another --out"):
        Run.open(tmp_path / "run", config={}, seed=1)
    assert not (tmp_path / "run" / "manifest.json").exists()
    holder.kill()
    holder.wait()
    Run.open(tmp_path / "run", config={}, seed=1).finish({})


def test_a_finished_run_is_free_and_the_same_process_may_open_again(tmp_path: Path) -> None:
    Run.open(tmp_path, config={}, seed=1)
    Run.open(tmp_path, config={}, seed=1).finish({})
    subprocess.run([sys.executable, "-c", HOLD, str(tmp_path), "0"], check=True)


def test_other_processes_of_a_distributed_run_take_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert not Run.open(tmp_path / "run", config={}, seed=1, primary=False).primary
