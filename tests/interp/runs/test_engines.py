"""Every engine makes the same targets from the same shards, goes on where one was killed, and tells mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from interp.runs.engines import Engine, map_shards, pending
from interp.runs.errors import UserError
from tests.interp.runs.engine_stage import shards_of, upper

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    return tmp_path


def written(folder: Path) -> tuple[list[str], set[int]]:
    """What the targets say, and the processes that wrote them."""
    said = [shard.target.read_text().rsplit(" ", 1) for shard in shards_of(folder)]
    return [text for text, _ in said], {int(process) for _, process in said}


def test_inline(folder: Path) -> None:
    map_shards(upper, shards_of(folder), engine="inline")
    assert written(folder) == ([f"TEXT {number}" for number in range(4)], {os.getpid()})
    assert not pending(shards_of(folder))


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "2.txt").write_text("kept 0")
    map_shards(upper, shards_of(folder), engine="inline")
    assert written(folder)[0] == ["TEXT 0", "TEXT 1", "kept", "TEXT 3"]


def test_a_mistake_stops_and_keeps_what_is_done(folder: Path) -> None:
    (folder / "2.txt").write_text("refuse")
    with pytest.raises(UserError, match="one sentence"):
        map_shards(upper, shards_of(folder), engine="inline")
    assert [shard.source.name for shard in pending(shards_of(folder))] == ["2.txt", "3.txt"]


@pytest.mark.slow
def test_a_pool_of_processes(folder: Path) -> None:
    map_shards(upper, shards_of(folder), workers=2)
    texts, processes = written(folder)
    assert texts == [f"TEXT {number}" for number in range(4)] and os.getpid() not in processes
    (folder / "4.txt").write_text("die")
    with pytest.raises(UserError, match="a worker process was killed"):
        map_shards(upper, shards_of(folder), engine="process", workers=2)


def appears(condition: Callable[[], bool]) -> bool:
    """Whether something holds within two minutes."""
    end = time.monotonic() + 120
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.txt").write_text("wait")
    parent = subprocess.Popen([sys.executable, "-m", "tests.interp.runs.engine_stage", str(tmp_path)], cwd=ROOT)
    waiting = [tmp_path / "out" / f"{number}.waiting" for number in range(2)]
    started = appears(lambda: all(file.exists() for file in waiting))
    parent.kill()
    parent.wait()
    assert started
    workers = [int(file.read_text()) for file in waiting]
    assert appears(lambda: not any(psutil.pid_exists(worker) for worker in workers))


@pytest.mark.slow
def test_ranks_of_torchrun_share_the_shards(folder: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    script = ["-m", "tests.interp.runs.engine_stage", str(folder)]
    done = subprocess.run([*command, *script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    texts, processes = written(folder)
    assert texts == [f"TEXT {number}" for number in range(4)] and len(processes) == 2


def test_engines_that_do_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown: Engine = "dask"  # type: ignore[assignment]
    with pytest.raises(UserError, match="accepted are auto, inline, process, ray"):
        map_shards(upper, shards_of(folder), engine=unknown)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(UserError, match="so did torchrun"):
        map_shards(upper, shards_of(folder), engine="ray")
