"""The lab's side of a run: it reads what comes out, looks at the clock and at memory, and ends every process."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import psutil

from training.sandbox.limits import Limits

Stop = Literal["timeout", "memory", "output"]

_LOOK = 0.05
"""Seconds between two looks at memory."""
_CHUNK = 1 << 16
_PATIENCE = 5.0
"""Seconds that killed processes may take to be gone."""


class Watched(NamedTuple):
    """What came out of a run."""

    stopped: Stop | None
    """Why the lab ended it; None if it ended by itself."""
    output: bytes
    errors: bytes
    verdicts: list[dict[str, Any]]
    """What the code's process told."""
    ended: dict[str, Any] | None
    """What the process that waited for it told; None if it was killed before."""
    seconds: float


class Watch:
    """Watches one guard until its code has ended; afterwards none of its processes is left."""

    def __init__(self, guard: subprocess.Popen[bytes], verdict: int, ended: int, limits: Limits) -> None:
        """`verdict` and `ended` are the reading ends of the guard's pipes."""
        self.guard, self.limits = guard, limits
        assert guard.stdout and guard.stderr
        self._read = {guard.stdout.fileno(): bytearray(), guard.stderr.fileno(): bytearray()}
        self._streams = list(self._read)
        self._told = {verdict: bytearray(), ended: bytearray()}
        self._verdict, self._ended = verdict, ended
        self._began = time.monotonic()

    def run(self) -> Watched:
        """Wait for the end, or bring it about."""
        with selectors.DefaultSelector() as selector:
            for pipe in (*self._read, *self._told):
                selector.register(pipe, selectors.EVENT_READ)
            try:
                stopped = self._until_end(selector)
                seconds = time.monotonic() - self._began
            finally:
                end_all(self.guard)
            while selector.get_map() and self._take(selector):
                pass
        output, errors = (bytes(self._read[pipe][: self.limits.output]) for pipe in self._streams)
        ended = _messages(self._told[self._ended])
        verdicts = _messages(self._told[self._verdict])
        return Watched(stopped, output, errors, verdicts, ended[0] if ended else None, seconds)

    def _until_end(self, selector: selectors.BaseSelector) -> Stop | None:
        looked = self._began
        while not self._told[self._ended].endswith(b"\n") and self.guard.poll() is None:
            self._take(selector)
            now = time.monotonic()
            if sum(map(len, self._read.values())) > self.limits.output:
                return "output"
            if now - self._began > self.limits.seconds:
                return "timeout"
            if now - looked > _LOOK:
                looked = now
                if _memory(self.guard) > self.limits.memory:
                    return "memory"
        return None

    def _take(self, selector: selectors.BaseSelector) -> bool:
        """Read what is there; whether anything was."""
        ready = selector.select(_LOOK)
        for key, _ in ready:
            chunk = os.read(key.fd, _CHUNK)
            if not chunk:
                selector.unregister(key.fd)
            kept = self._told.get(key.fd, self._read.get(key.fd))
            if kept is not None and len(kept) <= self.limits.output:
                kept += chunk
        return bool(ready)


def _messages(told: bytearray) -> list[dict[str, Any]]:
    """Whole lines of JSON; a process that was killed, or that lies, may have written others."""
    found = []
    for line in told.splitlines():
        with suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [message for message in found if isinstance(message, dict)]


def _memory(guard: subprocess.Popen[bytes]) -> int:
    """Bytes that the guard's descendants hold apart from files; memory that several share counts for each."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(guard.pid).children(recursive=True):
            with suppress(OSError), open(f"/proc/{process.pid}/status", encoding="utf-8", errors="replace") as status:
                total += sum(int(line.split()[1]) << 10 for line in status if line.startswith(("RssAnon:", "RssShmem:")))
    return total


def end_all(guard: subprocess.Popen[bytes]) -> None:
    """Stop all descendants of the guard first, so that none is born meanwhile, then kill them, and the guard last."""
    deadline = time.monotonic() + _PATIENCE
    while (living := _living(guard)) and time.monotonic() < deadline:
        stopped: set[psutil.Process] = set()
        while new := set(living) - stopped:
            _each(new, "suspend")
            stopped |= new
            living = _living(guard)
        _each(stopped, "kill")
        psutil.wait_procs(list(stopped), timeout=_LOOK)
    guard.kill()
    guard.wait()


def _living(guard: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        found = psutil.Process(guard.pid).children(recursive=True)
        return [process for process in found if _alive(process)]
    return []


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _each(processes: set[psutil.Process], deed: str) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            getattr(process, deed)()
