"""What the sandbox promises on this machine, and who keeps each promise."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple

from training.sandbox.run import Isolation, available, changes_user

Keeper = Literal["kernel", "lab", "interpreter", "nobody"]
"""kernel: whatever the code does. lab: this process looks every 50 ms. interpreter: Python refuses, which code that seeks
a way around can escape."""


class Guarantee(NamedTuple):
    """One promise."""

    what: str
    keeper: Keeper
    how: str


_ALWAYS = (
    Guarantee("processor time, memory and open files of a process, size of a file", "kernel", "resource limits"),
    Guarantee(
        "time on the clock, memory that processes have mapped, output", "lab",
        "every process is ended; memory files that nothing maps are bounded by open files times the size of one only, and "
        "file systems that code with namespaces of its own can make are not seen",
    ),
    Guarantee("the environment of the lab", "kernel", "processes start with an empty one"),
    Guarantee(
        "a program that leaves early, prints or raises is not 'finished'", "interpreter",
        "the last act is to show a word that lies in a pipe until then; code that searches its own process for that "
        "pipe, or replaces functions that its tests call, can still deceive them",
    ),
)  # fmt: skip
_NAMESPACES = (
    Guarantee("number of processes", "kernel", "a count of its own"),
    Guarantee("no network, not even loopback", "kernel", "an empty network namespace"),
    Guarantee("no other process can be seen, signalled or traced", "kernel", "a process namespace of its own"),
    Guarantee("nothing is left behind", "kernel", "the namespace ends with its first process"),
    Guarantee(
        "no file of the machine can be changed, none but the interpreter's and the system's libraries be read", "kernel",
        "a root in memory with read-only mounts; all files together are bounded",
    ),
)  # fmt: skip


def guarantees(isolation: Isolation | None = None) -> tuple[Guarantee, ...]:
    """The promises of an isolation, or of what `auto` means on this machine."""
    chosen = isolation or available()
    if chosen == "namespaces":
        return (*_ALWAYS, *_NAMESPACES)
    return (*_ALWAYS, *(_of_a_stranger() if changes_user(chosen) else _of_the_same_user()))


def _of_a_stranger() -> tuple[Guarantee, ...]:
    """The lab is root and the code becomes a user that nobody is."""
    user = "the code's user owns nothing; where users are few it is 65534, which others may be, too"
    return (
        Guarantee("number of processes", "kernel", "counted by user; Python refuses new ones altogether"),
        Guarantee("no network", "interpreter", "sockets are refused"),
        Guarantee("other processes cannot be signalled or traced", "kernel", user),
        Guarantee(
            "nothing is left behind",
            "lab",
            "orphans come to the guard, which the lab ends with all; files in folders that all may write excepted",
        ),
        Guarantee("no file outside its folder can be changed", "kernel", f"{user}; folders that all may write excepted"),
        Guarantee("other files cannot be read", "nobody", "what every user of the machine may read, the code may"),
    )


def _of_the_same_user() -> tuple[Guarantee, ...]:
    counted = "counted with the user's others; Python refuses new ones altogether"
    refused = "Python refuses new ones; the kernel does not count root's"
    return (
        Guarantee("number of processes", *(("kernel", counted) if os.getuid() else ("interpreter", refused))),
        Guarantee("no network", "interpreter", "sockets are refused"),
        Guarantee("other processes cannot be signalled or traced", "interpreter", "os.kill and native calls are refused"),
        Guarantee("nothing is left behind", "interpreter", "new processes are refused; the lab ends those it finds"),
        Guarantee("no file outside its folder can be changed", "interpreter", "opening for writing is refused"),
        Guarantee("other files cannot be read", "nobody", "what the user may read, the code may"),
    )
