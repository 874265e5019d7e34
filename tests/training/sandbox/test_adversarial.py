"""Code that attacks: bounds come before it, and are small, so that a sandbox that failed here would harm nothing."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from interp.runs.errors import UserError
from training.sandbox.limits import Limits
from training.sandbox.run import Isolation, Outcome, available, changes_user, run
from training.sandbox.verdict import judge

SMALL = Limits(cpu_seconds=1, seconds=12.0, memory=96 << 20, processes=8, file_bytes=1 << 20, open_files=32, output=1 << 16)
needs_namespaces = pytest.mark.skipif(available() != "namespaces", reason="this machine gives no namespaces")


@pytest.fixture(params=["limits", pytest.param("namespaces", marks=needs_namespaces)])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return request.param


def attack(code: str, isolation: Isolation) -> Outcome:
    return run(code, limits=SMALL, isolation=isolation)


def test_endless_loop(isolation: Isolation) -> None:
    outcome = run("while True: pass", limits=replace(SMALL, seconds=60.0), isolation=isolation)
    assert outcome.status == "timeout" and outcome.cpu_seconds is not None  # by its processor time, not the clock


def test_signals_of_the_limit_ignored(isolation: Isolation) -> None:
    code = "import signal\nfor n in (1, 2, 15, 24): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"
    assert attack(code, isolation).status == "timeout"


def test_sleep_is_ended_by_the_clock(isolation: Isolation) -> None:
    outcome = run("import time; time.sleep(60)", limits=Limits(seconds=0.5), isolation=isolation)
    assert outcome.status == "timeout" and outcome.seconds < 10


def test_memory_bomb(isolation: Isolation) -> None:
    assert attack("x = bytearray(200 << 20)", isolation).status == "memory"
    assert attack("x = []\nwhile True: x.append(bytearray(1 << 20))", isolation).status == "memory"


@needs_namespaces
def test_memory_of_all_processes_together() -> None:
    code = "import os, time\nfor _ in range(4):\n if not os.fork(): x = b'x' * (40 << 20); time.sleep(5)\ntime.sleep(5)"
    assert attack(code, "namespaces").status == "memory"


@needs_namespaces
def test_shared_memory_of_all_processes_together() -> None:
    code = (
        "import mmap, os, time\nfor _ in range(4):\n if not os.fork():\n  m = mmap.mmap(-1, 40 << 20)\n"
        "  for _ in range(40): m.write(b'x' * (1 << 20))\n  time.sleep(5)\ntime.sleep(5)"
    )
    assert attack(code, "namespaces").status == "memory"


@needs_namespaces
def test_empty_files_are_counted_and_the_root_is_read_only() -> None:
    outcome = attack("for n in range(2000): open(str(n), 'w').close()", "namespaces")
    assert outcome.status == "error" and "No space" in outcome.error
    assert "Read-only" in attack("import os; os.chmod('/', 0o777)", "namespaces").error


FORK_BOMB = (
    "import os\ndepth = 0\nwhile depth < 30:\n try: os.fork()\n except BlockingIOError: pass\n depth += 1\nwhile True: pass"
)


def descendants() -> set[int]:
    """Processes below this one; other tests may have left some, Ray's for instance."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_fork_bomb(isolation: Isolation) -> None:
    before = descendants()
    outcome = run(FORK_BOMB, limits=replace(SMALL, seconds=3.0), isolation=isolation)
    assert outcome.status == ("timeout" if isolation == "namespaces" else "error")
    assert descendants() <= before


@needs_namespaces
def test_processes_are_counted() -> None:
    code = (
        "import os, time\nn = 0\ntry:\n while n < 30:\n  if not os.fork(): time.sleep(9)\n  n += 1\nexcept OSError: print(n)"
    )
    assert attack(code, "namespaces").stdout == f"{SMALL.processes - 1}\n"


def test_threads_are_counted_and_end_with_the_code(isolation: Isolation) -> None:
    code = (
        "import threading, time\nn = 0\ntry:\n while n < 30: threading.Thread(target=time.sleep, args=(9,)).start(); n += 1\n"
        "except RuntimeError: pass\nprint(n)"
    )
    outcome = run(code, limits=replace(SMALL, memory=4 << 30), isolation=isolation)  # stacks must not be what bounds them
    counted = isolation == "namespaces" or os.getuid() != 0 or changes_user(isolation)
    assert (int(outcome.stdout) < 30) == counted
    assert outcome.status == "finished" and outcome.seconds < 9


def test_output_flood(isolation: Isolation) -> None:
    outcome = attack("while True: print('x' * 1000)", isolation)
    assert outcome.status == "output" and len(outcome.stdout) == SMALL.output
    outcome = attack("import sys\nwhile True: sys.stderr.write('é' * 1000)", isolation)
    assert outcome.status == "output" and not outcome.stdout


def test_huge_file(isolation: Isolation) -> None:
    outcome = attack("with open('big', 'wb') as f:\n for _ in range(64): f.write(b'x' * (1 << 16))", isolation)
    assert outcome.status == "error" and "Errno" in outcome.error


@needs_namespaces
def test_many_files_are_bounded_together() -> None:
    outcome = attack("for n in range(64): open(str(n), 'wb').write(b'x' * (1 << 16))", "namespaces")
    assert outcome.status == "error" and "No space" in outcome.error


def test_many_open_files(isolation: Isolation) -> None:
    outcome = attack("kept = [open(str(n), 'w') for n in range(100)]", isolation)
    assert outcome.status == "error" and "Too many open files" in outcome.error


def test_writing_outside(isolation: Isolation, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "kept").write_text("kept")
    for code in (f"open('{tmp_path}/new', 'w')", f"import os; os.remove('{tmp_path}/kept')",
                 f"import os; os.symlink('{tmp_path}', 'link'); open('link/new', 'w')",
                 f"import shutil; shutil.rmtree('{tmp_path}')", f"import os; os.mkfifo('{tmp_path}/pipe')",
                 f"import os; os.remove('kept', dir_fd=os.open('{tmp_path}', 0))",
                 f"import os; os.chmod(os.open('{tmp_path}/kept', 0), 0)",
                 "import os; os.mkdir('a'); fd = os.open('.', 0); os.chdir('a'); os.open('../new', 65, dir_fd=fd)",
                 f"import sqlite3; sqlite3.connect('{tmp_path}/new').execute('create table t (a)')",
                 f"import os; os.mkdir('{tmp_path}/folder')", f"open('{Path(os.__file__)}', 'a')"):  # fmt: skip
        assert attack(code, isolation).status == "error", code
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").stat().st_mode & 0o444


def test_own_folder_may_be_written_and_is_gone_afterwards(isolation: Isolation) -> None:
    code = "import os, tempfile\nopen('a', 'w').write('x')\ntempfile.mkdtemp()\nprint(os.getcwd(), open('a').read())"
    outcome = attack(code, isolation)
    folder, content = outcome.stdout.split()
    assert content == "x" and (folder == "/tmp" or not Path(folder).exists())


def test_own_folders_can_be_taken_away(isolation: Isolation) -> None:
    code = (
        "import os, tempfile\nwith tempfile.TemporaryDirectory() as place:\n os.makedirs(place + '/a/b')\n"
        " open(place + '/a/b/c', 'w').close()\nprint(os.listdir())"
    )
    assert attack(code, isolation).stdout == "[]\n"


def test_environment_of_the_lab(isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", word := secrets.token_hex())
    code = (
        "import os\nprint(dict(os.environ))\nfor n in [*map(str, range(1, 5)), 'self', 'thread-self', str(os.getppid())]:\n"
        " try: print(open(f'/proc/{n}/environ').read())\n except OSError: pass"
    )
    outcome = attack(code, isolation)
    assert outcome.status == "finished" and word not in outcome.stdout and "PATH" in outcome.stdout
    parent = attack(f"print(open('/proc/{os.getpid()}/environ').read())", isolation)
    assert parent.status == "error" and word not in parent.stdout


def test_sockets(isolation: Isolation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), timeout=1)"
        assert attack(code, isolation).status == "error"
        with pytest.raises(TimeoutError):
            server.accept()
    assert attack("import socket; socket.getaddrinfo('example.org', 80)", isolation).status == "error"


def test_killing_others(isolation: Isolation) -> None:
    for victim in (os.getpid(), "os.getppid()"):
        outcome = attack(f"import os, signal; os.kill({victim}, signal.SIGTERM)", isolation)
        assert outcome.status in ("error", "finished")  # in a process namespace its first process ignores it
    if isolation == "namespaces":
        outcome = attack(
            "import os\nfor pid in (1, 2, -1):\n try: os.kill(pid, 9)\n except OSError: pass\nprint('on')", isolation
        )
        assert outcome.status == "finished" or (outcome.status, outcome.error) == ("killed", "SIGKILL")


def test_killing_itself(isolation: Isolation) -> None:
    outcome = attack("import ctypes; ctypes.string_at(0)", isolation)
    refused = ("error", "PermissionError: the sandbox refuses ctypes.string_at")
    assert (outcome.status, outcome.error) == (("killed", "SIGSEGV") if isolation == "namespaces" else refused)
    outcome = attack("import signal; signal.raise_signal(40)", isolation)
    assert (outcome.status, outcome.error) == ("killed", "signal 40")


def test_verdicts_nested_too_deeply(isolation: Isolation) -> None:
    code = "import os\nfor n in range(3, 64):\n try: os.write(n, b'[' * 100000 + b'\\n')\n except OSError: pass\nos._exit(0)"
    assert attack(code, isolation).status in ("exited", "killed")


@pytest.mark.parametrize(
    "trick",
    [
        "import sys; sys.exit(0)", "import os; os._exit(0)", "raise SystemExit", "exit = 1; import builtins; raise SystemExit(0)",
        "import os, atexit; atexit.register(lambda: os._exit(0)); raise ValueError", "raise KeyboardInterrupt",
        "import os; [os.write(n, b'{\"status\": \"finished\", \"word\": \"\"}\\n') for n in range(3, 10)]",
        "import threading, os; threading.Thread(target=os._exit, args=(0,)).start(); import time; time.sleep(1)",
        "import sys; sys.settrace(lambda *_: sys.exit(0))\ndef f(): pass\nf()", "'''", "'''\\", "if True:", "return", "\x00",
        "class E(Exception):\n def __str__(self): raise SystemExit(0)\nraise E", "import sys; sys.stdout.close(); sys.exit()",
        "import os; os.close(1); os.close(2)", "def f(): f()\nf()", "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    ],
)  # fmt: skip
def test_leaving_early_is_no_pass(trick: str, isolation: Isolation) -> None:
    outcome = run([trick, "raise AssertionError('''the tests''')"], limits=SMALL, isolation=isolation)
    assert outcome.status != "finished"


def test_a_fork_does_not_pass_for_its_parent() -> None:
    code = "import os\nif os.fork(): raise ValueError"
    assert run([code, "import time; time.sleep(0.3)"], limits=SMALL).status in ("error", "exited")


@needs_namespaces
def test_daemons_are_not_left_behind() -> None:
    mark = f"30.{secrets.randbelow(10**9)}"
    code = (
        "import os, signal\nif not os.fork():\n os.setsid()\n if not os.fork():\n  signal.signal(15, signal.SIG_IGN)\n"
        f"  os.execv('/bin/sleep', ['sleep', '{mark}'])\n os._exit(0)\nos.wait()"
    )
    outcome = attack(code, "namespaces")
    assert outcome.status == "finished" and outcome.seconds < 9
    time.sleep(0.1)
    assert not [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]


def test_stopped_processes_are_ended(isolation: Isolation) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    outcome = run(code, limits=Limits(seconds=0.5), isolation=isolation)
    assert outcome.status == ("timeout" if isolation == "namespaces" else "error")


def test_deep_nesting_of_source(isolation: Isolation) -> None:
    assert attack("(" * 50_000 + ")" * 50_000, isolation).status != "finished"
    assert attack("x = " + "-" * 50_000 + "1", isolation).status != "finished"


def test_the_handlers_of_this_process_are_untouched() -> None:
    handler, before = signal.getsignal(signal.SIGCHLD), descendants()
    judge("x = 1", "assert x == 2", limits=SMALL)
    assert signal.getsignal(signal.SIGCHLD) is handler and descendants() <= before


def test_an_isolation_that_is_not_known() -> None:
    with pytest.raises(UserError, match="accepted are auto, namespaces, limits"):
        run("", isolation="jail")  # type: ignore[arg-type]
