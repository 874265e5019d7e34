"""The processes between the lab and the code: they shut the doors, then run it.

The lab starts a guard (`training.sandbox.run`). With namespaces the guard starts a first process of a process namespace,
which builds a small file system of its own and starts the code; when the first process ends, the kernel kills whatever
is left in there. Without them the guard starts the code itself and collects orphans until the lab has killed them.

    guard ── first process ── code          namespaces
    guard ── code                           limits

Two pipes lead back. On `ended` the process that waits for the code tells how it ended; on `verdict` the code's process
tells how far it came, and shows that it came to its end by a word that it finds in a third pipe only then. This file
runs in a bare interpreter: the standard library is all it may import.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import linecache
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from training.sandbox import kernel
from training.sandbox.files import HOME, private_root
from training.sandbox.refusals import refuse_outside

Job = dict[str, Any]


def main() -> NoReturn:
    """Read a job from standard input and do it. This process ends when it is killed."""
    job: Job = json.load(sys.stdin.buffer)
    job["user"] = _stranger() if job["stranger"] else os.getuid()
    job["room"] = job["processes"] + _threads_of(job["user"])  # the kernel counts all processes of a user
    kernel.end_with_parent()
    kernel.adopt_orphans()
    try:
        if job["namespaces"]:
            _enter_namespaces(job)
        kernel.hide_memory()
        child = _forked(lambda: _first_process(job) if job["namespaces"] else _code(job))
    except OSError as error:
        _tell(job["ended"], {"setup": str(error)})
    else:
        os.close(job["verdict"])
        _wait(child, job)
    while True:  # orphans end here, and the lab kills this process
        with contextlib.suppress(ChildProcessError):
            os.wait()
        time.sleep(0.01)


def _enter_namespaces(job: Job) -> None:
    """Leave the machine's namespaces. Root needs none of users: it becomes somebody else instead."""
    kinds = kernel.NEW_MOUNTS | kernel.NEW_HOSTNAME | kernel.NEW_IPC | kernel.NEW_PIDS | kernel.NEW_NETWORK
    user, group = os.getuid(), os.getgid()
    if user == 0:
        kernel.unshare(kinds)
        return
    kernel.unshare(kinds | kernel.NEW_USERS)
    for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as opened:
            opened.write(text)
    with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as opened:
        opened.write("0")  # of this namespace: in one of its own the code could mount file systems that nobody counts
    if _kernel_version() >= (5, 14):
        job["room"] = job["processes"] + 2  # the guard and the first process are counted there, too


def _kernel_version() -> tuple[int, ...]:
    """Since 5.14 a namespace of users has its own count of processes."""
    return tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2])


def _threads_of(user: int) -> int:
    count = 0
    for entry in os.scandir("/proc") if os.path.isdir("/proc/self") else ():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == user:
                count += len(os.listdir(f"/proc/{entry.name}/task"))
    return count


def _stranger() -> int:
    """A user that nobody is, for this guard alone where there are enough of them."""
    with contextlib.suppress(OSError), open("/proc/self/uid_map", encoding="ascii") as opened:
        first, _, count = map(int, opened.readline().split())
        if first + count > (guard := 2_000_000_000 + os.getpgrp()):
            return guard
    return 65534


def _forked(work: Callable[[], NoReturn]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child


def _first_process(job: Job) -> NoReturn:
    """Number 1 of the process namespace: its end is that of everything in there."""
    kernel.end_with_parent()
    try:
        private_root(job["home"], job["shown"], job["file_bytes"], job["user"])
    except OSError as error:
        _tell(job["ended"], {"setup": str(error)})
        os._exit(1)
    child = _forked(lambda: _code(job | {"home": HOME}))
    os.close(job["verdict"])
    _wait(child, job)
    os._exit(0)


def _wait(child: int, job: Job) -> None:
    """Wait for the code, tell how it ended."""
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == child:
            signalled = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            _tell(job["ended"], {"signal": signalled, "cpu_seconds": usage.ru_utime + usage.ru_stime})
            return


def _tell(pipe: int, message: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(message).encode() + b"\n")


def _code(job: Job) -> NoReturn:
    """Give up all rights, then run the code."""
    _take_input(job.pop("stdin"))
    _bound(job)
    os.chdir(job["home"])
    os.environ |= {"HOME": job["home"], "TMPDIR": job["home"]}
    _become(job["user"], job["home"])
    kernel.drop_capabilities()
    os.close(job["ended"])
    kernel.gain_no_privileges()
    kernel.end_with_parent()
    sys.path[:] = [*[place for place in sys.path if place != job["library"]], *job["packages"]]
    if not job["namespaces"]:
        refuse_outside(job["home"])
    _execute(job["sources"], job["name"], job["verdict"], job["held"])


def _become(user: int, home: str) -> None:
    if user != os.getuid():
        os.chown(home, user, user)
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _take_input(text: str) -> None:
    file = os.memfd_create("stdin")
    os.write(file, text.encode())
    os.lseek(file, 0, os.SEEK_SET)
    os.dup2(file, 0)
    os.close(file)


def _bound(job: Job) -> None:
    bounds = {
        resource.RLIMIT_AS: job["memory"], resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: job["file_bytes"],
        resource.RLIMIT_NOFILE: job["open_files"], resource.RLIMIT_NPROC: job["room"], resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_MEMLOCK: 0,
    }  # fmt: skip
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))
    seconds = job["cpu_seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))  # the first can be caught, the second cannot


def _execute(sources: list[str], name: str, verdict: int, held: int) -> NoReturn:
    """Run the sources one after the other in one namespace, tell how far they came, and end."""
    module = {"__name__": name, "__builtins__": builtins}
    try:
        for number, source in enumerate(sources):
            file = f"<code {number}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
            exec(compile(source, file, "exec", dont_inherit=True), module)
    except SystemExit as stop:
        _tell(verdict, {"status": "exited", "error": f"SystemExit: {stop.code}"})
    except BaseException as error:
        _tell(verdict, {"status": _kind(error), "error": _told(error)})
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
    else:
        _tell(verdict, {"status": "finished", "word": os.read(held, 64).decode()})
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _kind(error: BaseException) -> str:
    return "memory" if isinstance(error, MemoryError) else "error"


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1][:500]
