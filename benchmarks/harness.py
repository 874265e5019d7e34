"""What every benchmark shares: a clock that resists noise, a description of the machine, the result file."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from interp.runs.atomic import write_json
from interp.runs.folder import command_line, git_revision, versions

RESULTS = Path(__file__).parent / "results"


def seconds(work: Callable[[], object], *, repeats: int = 7, warmup: int = 2) -> float:
    """Median wall-clock seconds of one call."""
    for _ in range(warmup):
        work()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def seconds_in_turn(*works: Callable[[], object], repeats: int = 7) -> list[float]:
    """Median seconds of each call, the calls taken in turn so that a drift of the machine's speed hits all alike."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, times in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def machine() -> dict[str, Any]:
    """Processor, cores and vector extension, as the results depend on them."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_extension": torch.backends.cpu.get_cpu_capability(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def write_result(name: str, result: dict[str, Any], *, seed: int | None = None) -> None:
    """Write `results/<name>.json` with all that is needed to take the measurement again."""
    about = {
        "command": command_line(),
        "seed": seed,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(),
        "machine": machine(),
        "versions": versions(),
    }
    write_json(RESULTS / f"{name}.json", {**result, "about": about})
