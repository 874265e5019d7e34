"""What code in the sandbox may use."""

from __future__ import annotations

from dataclasses import dataclass

from interp.runs.errors import UserError

_MiB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds of one run. All choices are ours; none is stated in the papers whose code is run here."""

    cpu_seconds: int = 5
    """Processor time of a process: decides about endless loops, whatever else the machine is doing."""
    seconds: float = 20.0
    """Time on the clock, for code that sleeps or waits."""
    memory: int = 512 * _MiB
    """Bytes of address space of a process, and of memory of all processes together (the sum is looked at every 50 ms)."""
    processes: int = 32
    """Processes and threads at one time."""
    file_bytes: int = 16 * _MiB
    """Bytes of one file; with namespaces, of all files together."""
    open_files: int = 64
    output: int = 1 * _MiB
    """Bytes of standard output and error together; more ends the run."""

    def __post_init__(self) -> None:
        if unbounded := [name for name, value in vars(self).items() if value <= 0]:
            raise UserError(f"limit {unbounded[0]} is {getattr(self, unbounded[0])}; accepted are numbers above 0")


USUAL = Limits()
"""Enough for the unit tests of a function."""
