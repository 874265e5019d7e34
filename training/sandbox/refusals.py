"""Where namespaces are not to be had: Python's audit events of what code may not do are refused.

This stops code that does such things plainly. It does not stop code that seeks a way around the interpreter; what is
certain then is what the kernel counts (`training.sandbox.limits`).
"""

from __future__ import annotations

import os
import sys
from typing import Any

_REFUSED = (
    "socket.", "subprocess.", "ctypes.", "os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.kill",
    "pty.", "signal.pthread_kill",
)  # fmt: skip
_CHANGING = {
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate",
    "os.utime", "os.setxattr", "os.removexattr",
}  # fmt: skip
_UNSEEN = {"_posixsubprocess", "_multiprocessing"}
"""Native modules that start processes without an event."""
_PRIVATE = ("/proc", "/sys")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def refuse_outside(home: str) -> None:
    """From now on this process refuses sockets, other processes, native calls, and changes to files outside `home`."""
    own = os.path.realpath(home)

    def inside(path: str | bytes) -> bool:
        place = os.path.realpath(os.fsdecode(path))
        return place in (own, os.devnull) or place.startswith(own + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"the sandbox refuses {event}")
        if event == "import" and arguments[0] in _UNSEEN:
            raise ImportError(f"the sandbox refuses to import {arguments[0]}")
        if event in _CHANGING or event == "open":
            outside = [path for path in arguments[:2] if isinstance(path, str | bytes) and not inside(path)]
            if outside and (event != "open" or _forbidden(arguments[0], arguments[2])):
                raise PermissionError(f"the sandbox refuses {event} of {outside[0]!r}")

    sys.addaudithook(hook)


def _forbidden(path: str | bytes, flags: int) -> bool:
    return bool(flags & _WRITES) or os.path.realpath(os.fsdecode(path)).startswith(_PRIVATE)
