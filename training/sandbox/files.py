"""The file system that code in namespaces sees: the interpreter and the system's libraries, read-only, and one folder."""

from __future__ import annotations

import os

from training.sandbox import kernel

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/ld.so.cache", "/etc/localtime")
HOME = "/tmp"
"""The folder."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def private_root(place: str, shown: list[str], size: int, owner: int) -> None:
    """Build a root in memory at the folder `place` and move there; /tmp, of `size` bytes, is all that can be written.

    `shown` are files and folders that are seen at their own paths beside the system's. Everything else of the machine,
    home folders included, is not there. Raises OSError where the kernel refuses.
    """
    kernel.mount("", "/", "", kernel.PRIVATE | kernel.RECURSIVE)
    kernel.mount("tmpfs", place, "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, "size=1m,mode=755")
    os.mkdir(place + HOME)
    own = f"size={size},nr_inodes={max(size >> 10, 64)},mode=700,uid={owner}"
    kernel.mount("tmpfs", place + HOME, "tmpfs", kernel.NO_SUID | kernel.NO_DEVICES, own)
    for path in (*_SYSTEM, *_DEVICES, *shown):
        _show(path, place)
    os.mkdir(f"{place}/proc")
    kernel.mount("proc", f"{place}/proc", "proc", kernel.NO_SUID | kernel.NO_DEVICES | kernel.NO_EXECUTION)
    kernel.mount("", place, "", kernel.CHANGE | kernel.BIND | kernel.READ_ONLY | kernel.NO_SUID | kernel.NO_DEVICES)
    kernel.change_root(place)


def _show(path: str, place: str) -> None:
    """Show one path of the machine at the same path below `place`."""
    target = place + path
    if not os.path.exists(path) or os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path) and path in _SYSTEM:
        os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.mkdir(target)
    else:
        open(target, "w").close()
    _bind(path, target)


def _bind(path: str, target: str) -> None:
    if path in _DEVICES:
        kernel.mount(path, target, "", kernel.BIND)  # a device on a mount without devices could not be opened
    else:
        kernel.bind_read_only(path, target)
