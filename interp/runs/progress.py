"""Progress of a long job on standard error: share done, rate, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO


def duration(seconds: float) -> str:
    """Seconds as `41 s`, `12 min 05 s` or `3 h 07 min`."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """A line that is rewritten on a terminal and repeated every half minute elsewhere.

    `total` and `advance` count `unit`s (tokens, games, documents). `start` is what an earlier run already did:
    it counts as done but not towards the rate.
    """

    def __init__(
        self, total: int, *, unit: str, label: str, start: int = 0, stream: TextIO | None = None, enabled: bool = True
    ) -> None:
        self.total, self.unit, self.label = total, unit, label
        self.done, self._start = start, start
        self._stream = sys.stderr if stream is None else stream
        self._interval = 0.5 if self._stream.isatty() else 30.0
        self._enabled = enabled
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._print()
        if self._enabled and self._stream.isatty():
            self._stream.write("\n")

    @property
    def rate(self) -> float:
        """Units per second since this process began."""
        return (self.done - self._start) / max(time.monotonic() - self._began, 1e-9)

    def advance(self, count: int, note: str = "") -> None:
        """Count `count` more units as done and show `note` (say, the latest loss)."""
        self.done += count
        if time.monotonic() - self._printed >= self._interval:
            self._print(note)

    def say(self, text: str) -> None:
        """Print a line of its own, labelled as the others."""
        if self._enabled:
            line = f"{self.label}: {text}"
            self._stream.write(f"\r{line}\x1b[K\n" if self._stream.isatty() else f"{line}\n")
            self._stream.flush()

    def _print(self, note: str = "") -> None:
        if not self._enabled:
            return
        self._printed = time.monotonic()
        left = (self.total - self.done) / self.rate if self.rate > 0 else float("inf")
        remaining = duration(left) if left != float("inf") else "?"
        share = 100 * self.done / max(self.total, 1)
        text = (
            f"{self.label}: {self.done:,}/{self.total:,} {self.unit} ({share:.1f} %), "
            f"{self.rate:,.0f} {self.unit}/s, {remaining} left"
        )
        text += f", {note}" if note else ""
        self._stream.write(f"\r{text}\x1b[K" if self._stream.isatty() else f"{text}\n")
        self._stream.flush()
