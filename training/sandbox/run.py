"""Run Python code that nobody has read: in processes of its own, bounded, without a network.

    run("print(2 + 2)").stdout                                   # '4\\n'
    run([solution, tests], name="solution").status == "finished"  # all tests passed

Where the kernel gives namespaces, the code sees an empty machine: no network, no process but its own, no file but the
interpreter's and an empty folder. Elsewhere the kernel's resource limits hold and Python itself refuses the rest, which
code that seeks a way around can escape; `training.sandbox.guarantees` says what holds here. A run costs about as much as
starting the interpreter twice.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from interp.runs.errors import UserError
from training.sandbox.limits import USUAL, Limits
from training.sandbox.watch import Watch, Watched

Status = Literal["finished", "exited", "error", "timeout", "memory", "output", "killed"]
"""`finished` came to its end, `exited` left before (sys.exit, os._exit; whatever code it gave), `killed` by a signal."""
Isolation = Literal["namespaces", "limits"]

_LIBRARY = Path(__file__).parents[2]
_START = f"import sys; sys.path.insert(0, {str(_LIBRARY)!r}); from training.sandbox.guard import main; main()"


class Outcome(NamedTuple):
    """How a run went."""

    status: Status
    error: str
    """Last line of the traceback, name of the signal, or empty."""
    stdout: str
    stderr: str
    seconds: float
    """On the clock, start of the interpreter included."""
    cpu_seconds: float | None
    """Processor time of the code and its children; None if the lab had to end the run."""
    isolation: Isolation


def run(
    code: str | Sequence[str],
    *,
    limits: Limits = USUAL,
    stdin: str = "",
    name: str = "__main__",
    packages: bool = False,
    isolation: Literal["auto", "namespaces", "limits"] = "auto",
) -> Outcome:
    """Run code and wait for its end; no process of it is left afterwards.

    Args:
        code: one source, or several that are compiled apart and run one after the other in one namespace.
        limits: what it may use.
        stdin: its standard input.
        name: its `__name__`.
        packages: whether it may import installed packages beside the standard library.
        isolation: auto takes namespaces where the kernel gives them.

    Raises:
        UserError: if there is no such isolation here.
    """
    if isolation not in ("auto", *get_args(Isolation)):
        raise UserError(f"unknown isolation '{isolation}'; accepted are auto, {', '.join(get_args(Isolation))}")
    chosen: Isolation = available() if isolation == "auto" else isolation
    sources = [code] if isinstance(code, str) else list(code)
    job = {**asdict(limits), "sources": sources, "stdin": stdin, "name": name, "namespaces": chosen == "namespaces"}
    job["stranger"] = changes_user(chosen)
    word = secrets.token_hex(16)
    watched = _watched(job | {"packages": _packages() if packages else []}, word, limits)
    if watched.ended and "setup" in watched.ended:
        raise UserError(f"this machine gives no {chosen} to the sandbox ({watched.ended['setup']})")
    return _outcome(watched, word, limits, chosen)


@cache
def available() -> Isolation:
    """What `auto` means on this machine, found out by a run; why it is not namespaces is told on standard error."""
    try:
        return run("pass", isolation="namespaces").isolation
    except UserError as error:
        print(f"sandbox: {error}; limits hold instead", file=sys.stderr)
        return "limits"


def changes_user(isolation: Isolation) -> bool:
    """Whether the code runs as a user that nobody is, not as this process's own: root can have that.

    Without namespaces the interpreter must then lie where every user can read it.
    """
    places = [Path(os.__file__), *Path(os.__file__).parents]
    public = all(place.stat().st_mode & (stat.S_IXOTH if place.is_dir() else stat.S_IROTH) for place in places)
    return os.getuid() == 0 and (isolation == "namespaces" or public)


def _watched(job: dict[str, Any], word: str, limits: Limits) -> Watched:
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as home, ExitStack() as stack:
        (verdict, tell), (ended, told), (held, hold) = (_pipe(stack) for _ in range(3))
        hold.write(word.encode())
        theirs = {"verdict": tell, "ended": told, "held": held}
        numbers = {name: end.fileno() for name, end in theirs.items()}
        guard = stack.enter_context(_guard(tuple(numbers.values())))
        for end in (*theirs.values(), hold):
            end.close()
        places = {"home": home, "library": str(_LIBRARY), "shown": [sys.base_prefix, *job["packages"]]}
        assert guard.stdin
        with suppress(BrokenPipeError), guard.stdin:
            guard.stdin.write(json.dumps({**job, **numbers, **places}).encode())
        return Watch(guard, verdict.fileno(), ended.fileno(), limits).run()


def _pipe(stack: ExitStack) -> tuple[FileIO, FileIO]:
    """The end to read from and the end to write to."""
    read, write = os.pipe()
    return stack.enter_context(FileIO(read, "r")), stack.enter_context(FileIO(write, "w"))


def _guard(pipes: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", _START],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=pipes, start_new_session=True,
        cwd="/", env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip


@cache
def _packages() -> list[str]:
    """Folders with installed packages, real paths."""
    return sorted({os.path.realpath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")})


def _outcome(watched: Watched, word: str, limits: Limits, isolation: Isolation) -> Outcome:
    cpu = watched.ended["cpu_seconds"] if watched.ended else None
    status, error = _status(watched, word, limits)
    texts = [part.decode("utf-8", "replace") for part in (watched.output, watched.errors)]
    return Outcome(status, error, texts[0], texts[1], watched.seconds, cpu, isolation)


def _signal_name(number: int) -> str:
    """Between the first and the last real-time signal they have no names."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _status(watched: Watched, word: str, limits: Limits) -> tuple[Status, str]:
    """What happened, believing the code's process only what it cannot gain by."""
    if watched.stopped:
        return watched.stopped, ""
    if watched.ended is None:
        return "killed", "the guard was killed"
    if number := watched.ended["signal"]:
        overdue = number == signal.SIGXCPU or watched.ended["cpu_seconds"] >= limits.cpu_seconds
        return ("timeout", "") if overdue else ("killed", _signal_name(number))
    if watched.verdicts and all(message.get("word") == word for message in watched.verdicts):
        return "finished", ""
    told = next((message for message in watched.verdicts if message.get("status") in ("error", "memory")), {})
    return told.get("status", "exited"), str(told.get("error", ""))
