"""Where namespaces are not to be had: Python's audit events of what code may not do are refused.

This stops code that does such things plainly. It does not stop code that seeks a way around the interpreter; what is
certain then is what the kernel counts (`training.sandbox.limits`).
"""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

Path = int | str | bytes | os.PathLike[str] | os.PathLike[bytes]

_REFUSED = (
    "socket.", "subprocess.", "ctypes.", "os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.kill",
    "pty.", "signal.pthread_kill", "sqlite3.",
)  # fmt: skip
_CHANGING: dict[str, tuple[tuple[int, int | None], ...]] = {
    "os.chmod": ((0, 2),), "os.chown": ((0, 3),), "os.link": ((0, 2), (1, 3)), "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),), "os.rename": ((0, 2), (1, 3)), "os.rmdir": ((0, 1),), "os.symlink": ((0, None), (1, 2)),
    "os.truncate": ((0, None),), "os.utime": ((0, 3),), "os.setxattr": ((0, None),), "os.removexattr": ((0, None),),
    "shutil.rmtree": ((0, 1),),
}  # fmt: skip
"""Which arguments of an event are what is changed, and which the folder (`dir_fd`) that it is relative to."""
_SILENT = ("mkfifo", "mknod")
"""Functions that make files without an event."""
_UNSEEN = {"_posixsubprocess", "_multiprocessing"}
"""Native modules that start processes without an event."""
_PRIVATE = ("/proc", "/sys")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def refuse_outside(home: str) -> None:
    """From now on this process refuses sockets, other processes, native calls, and changes to files outside `home`."""
    own = os.path.realpath(home)

    def inside(path: Path, folder: int | None = None) -> bool:
        place = os.path.realpath(_absolute(path, folder))
        return place in (own, os.devnull) or place.startswith(own + os.sep)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError(f"the sandbox refuses {event}")
        if event == "import" and arguments[0] in _UNSEEN:
            raise ImportError(f"the sandbox refuses to import {arguments[0]}")
        named = event == "open" and isinstance(arguments[0], str | bytes)
        if named and not inside(arguments[0]) and _forbidden(arguments[0], arguments[2]):
            raise PermissionError(f"the sandbox refuses open of {arguments[0]!r}")
        for at, folder in _CHANGING.get(event, ()):
            if not inside(arguments[at], None if folder is None else arguments[folder]):
                raise PermissionError(f"the sandbox refuses {event} of {arguments[at]!r}")

    _replace_functions()
    sys.addaudithook(hook)


def _replace_functions() -> None:
    """Those of `os` of which an event tells too little."""
    plain = os.open

    def open_absolute(
        path: str | bytes | os.PathLike[str], flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        return plain(path if dir_fd is None else _absolute(path, dir_fd), flags, mode)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError("the sandbox refuses pipes and devices among files")

    for module in (os, sys.modules["posix"]):
        for name, function in (("open", open_absolute), *((name, refuse) for name in _SILENT)):
            setattr(module, name, function)


def _absolute(path: Path, folder: int | None) -> str:
    """A path, or the number of an open file, as a path that no other folder changes; events have -1 for no folder."""
    if isinstance(path, int):
        return os.readlink(f"/proc/self/fd/{path}")
    relative = os.fsdecode(path)
    return relative if folder in (None, -1) else os.path.join(os.readlink(f"/proc/self/fd/{folder}"), relative)


def _forbidden(path: str | bytes, flags: int) -> bool:
    """Whether a file outside may not be opened so. An open folder would let others be changed by bare names."""
    place = os.path.realpath(os.fsdecode(path))
    return bool(flags & _WRITES) or place.startswith(_PRIVATE) or os.path.isdir(place)
