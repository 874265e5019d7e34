"""One process a run folder: a second one is refused while the first lives.

A POSIX record lock on the file `.lock`: the kernel drops it with the process, however that dies, and children that
outlive it do not keep it. Taking it again in the process that holds it is allowed (a notebook cell run once more).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from interp.runs.errors import UserError

_held: dict[Path, TextIO] = {}
# Closing any handle of the file would drop the process's lock, so there is one a folder, kept open here.


def acquire(folder: Path) -> None:
    """Make `folder` if need be and take its lock. Raises UserError if another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.resolve() in _held:
        return
    file = (folder / ".lock").open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise UserError(
            f"{folder} is in use by process {holder or '?'}: wait until it ends, or take another --out"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _held[folder.resolve()] = file


def release(folder: Path) -> None:
    """Let other processes have `folder`; nothing happens if this one did not hold it."""
    if file := _held.pop(folder.resolve(), None):
        file.close()
