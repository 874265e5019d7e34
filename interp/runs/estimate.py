"""What a long run will take: told once from its first steps, which are the run's own, or before it from a sample."""

from __future__ import annotations

import resource
import sys
import time

import psutil
import torch

from interp.runs.progress import duration

WARM, TIMED = 2, 5
"""Steps left out because caches and compilers warm up in them, and steps timed after those."""


class Estimate:
    """Time and memory of a run of which `steps` steps are left."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._taken = 0
        self._began = 0.0

    def after_step(self) -> str | None:
        """Count one step; the estimate as a sentence after the last timed one, None after all others."""
        self._taken += 1
        if self._taken == WARM:
            self._began = time.monotonic()
        if self._taken != WARM + TIMED or self._taken >= self.steps:
            return None
        seconds = (time.monotonic() - self._began) / TIMED
        left = self.steps - self._taken
        return f"about {duration(seconds * left)} for the {left:,} steps left, evaluations not counted; {_memory()}"


def tell(label: str, seconds: float, work: str) -> None:
    """Say on standard error, before a job starts, what a measured sample of it lets one expect."""
    print(f"{label}: about {duration(seconds)} for {work}; {_memory()} so far", file=sys.stderr, flush=True)


def _memory() -> str:
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    told = f"{peak / 1e9:.1f} of {psutil.virtual_memory().total / 1e9:.1f} GB of memory"
    if torch.cuda.is_initialized():
        reserved, total = torch.cuda.max_memory_reserved(), torch.cuda.mem_get_info()[1]
        told += f", {reserved / 1e9:.1f} of {total / 1e9:.1f} GB on the GPU"
    return told
