"""Calls of the Linux kernel that Python 3.11 has no function for, made through the C library; a refusal is an OSError."""

from __future__ import annotations

import ctypes
import os
import platform
import sys

NEW_MOUNTS, NEW_HOSTNAME, NEW_IPC, NEW_USERS, NEW_PIDS, NEW_NETWORK = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
"""Kinds of namespaces that `unshare` takes (CLONE_NEW*)."""
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXECUTION, CHANGE = 0x1, 0x2, 0x4, 0x8, 0x20
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
"""Flags of `mount` (MS_*)."""

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 36, 38
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY_NO_SUID_NO_DEVICES = 0x1 | 0x2 | 0x4
_CAPABILITY_VERSION_3 = 0x20080522
_KILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(kinds: int) -> None:
    """Leave the namespaces of these kinds for new ones; a new process namespace is that of children to come."""
    _checked(_libc.unshare(kinds), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system or a place of one."""
    words = [word.encode() or None for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def bind_read_only(source: str, target: str) -> None:
    """Show `source`, and all that is mounted below it, at `target`, where nothing can be changed."""
    mount(source, target, "", BIND | RECURSIVE)
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY_NO_SUID_NO_DEVICES, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    done = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, size)
    _checked(done, f"mount {target} read-only")


def change_root(folder: str) -> None:
    """Make the mount at `folder` the root of this process's mount namespace and let go of the old one."""
    if platform.machine() not in _PIVOT_ROOT:
        raise OSError(f"pivot_root is not known for {platform.machine()}")
    os.chdir(folder)
    _checked(_libc.syscall(_PIVOT_ROOT[platform.machine()], b".", b"."), "pivot_root")
    _checked(_libc.umount2(b".", _DETACH), "umount the old root")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up every privilege that this process has in its user namespace."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if sys.platform == "linux":
        _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def gain_no_privileges() -> None:
    """No program that this process or its children start gets more rights than they have."""
    _prctl(_SET_NO_NEW_PRIVS, 1)


def end_with_parent() -> None:
    """Be killed when the parent ends. A change of user undoes it, so it comes after that."""
    _prctl(_SET_PDEATHSIG, _KILL)


def adopt_orphans() -> None:
    """Descendants whose parent ends become children of this process."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Processes of the same user can neither trace this one nor read its memory and environment."""
    _prctl(_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        unused = ctypes.c_ulong(0)
        _checked(_libc.prctl(option, ctypes.c_ulong(value), unused, unused, unused), f"prctl {option}")


def _checked(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
