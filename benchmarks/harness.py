"""What every benchmark shares: clocks that resist noise, a description of the machine, the result file.

A result is one JSON object: figures, `target` with the bars among them, `note` with what a reader must know to judge
them, `about` with what is needed to measure again. With `--quick` a benchmark runs in seconds, prints and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from interp.runs.atomic import write_json
from interp.runs.folder import about

RESULTS = Path(__file__).parent / "results"
_LOAD_BEFORE = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
_MAIN = getattr(sys.modules["__main__"], "__spec__", None)
"""Taken here, because what runs an app's script puts another module in its place."""


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; prints, writes no result")
    return parser


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
    """What the results depend on; `load_before` is the mean number of busy processes in the minute before."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "vector_extension": torch.backends.cpu.get_cpu_capability(),
        "load_before": _LOAD_BEFORE,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def publish(name: str, result: dict[str, Any], *, quick: bool, seed: int | None = None) -> None:
    """Print a quick result, write any other."""
    if quick:
        print(json.dumps(result, indent=1))
    else:
        write_result(name, result, seed=seed)


def write_result(name: str, result: dict[str, Any], *, seed: int | None = None) -> None:
    """Write `results/<name>.json` with all that is needed to take the measurement again."""
    origin = about(seed) | {"command": _command(), "machine": machine()}
    write_json(RESULTS / f"{name}.json", {**result, "about": origin})


def _command() -> str:
    program = ["python", "-m", _MAIN.name] if _MAIN else [Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])
