"""Opening a run for all sessions of a server, ahead of the first visit: what the apps on run folders share.

The imports take most of a cold start, so a thread begins as the server starts, while the browser still loads the page.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from interp.runs.errors import UserError

Opened = TypeVar("Opened")
_KEPT = 2
"""Runs that stay in memory."""


class RunOpener(Generic[Opened]):
    """Opens the runs of one verb, each once for all sessions of a server, and anew when it was made anew."""

    def __init__(self, maker: str, *, page: str, shipped: Callable[[], Path], read: Callable[[Path], Opened]) -> None:
        """`maker` is the verb that makes such runs, `page` the module that shows them; `shipped` and `read` import late."""
        self._maker, self._page, self._shipped = maker, page, shipped
        self._opening = threading.Lock()
        self._read = lru_cache(maxsize=_KEPT)(lambda path, _changed: read(path))

    def asked(self) -> str:
        """The folder named on the command line after `--run`, or nothing. Raises UserError for `--run` without a folder."""
        return folder_after_run(self._maker)

    def open(self, folder: str) -> Opened:
        """The run in `folder`, or the shipped one for ''. Raises UserError if there is none or it cannot be read."""
        path = Path(folder).expanduser() if folder else self._shipped()
        with self._opening:
            return self._read(path, changed(path))

    def warm(self) -> None:
        """Import what the page imports, and open the run that the app opens on."""
        import_module(self._page)
        try:
            self.open(self.asked())
        except UserError:
            return  # the page will say it


def folder_after_run(maker: str) -> str:
    """The folder named on the command line after `--run`, or nothing; `maker` is the verb that makes such folders.

    Raises UserError for `--run` without a folder.
    """
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    parser.add_argument("--run", default="")
    try:
        return str(parser.parse_known_args(sys.argv[1:])[0].run)
    except argparse.ArgumentError:
        raise UserError(f"--run is given without a folder; accepted is one that `{maker}` made") from None


def changed(run: Path) -> tuple[int, int]:
    """When the run, a file or a folder of tables, was last written, and its bytes; zeros where there is none.

    Looks at the run, what lies in it, and the parts of its tables.
    """
    try:
        found = [path.stat() for path in (run, *run.glob("*"), *run.glob("*/part-*"))]
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return 0, 0
    return max(one.st_mtime_ns for one in found), sum(one.st_size for one in found)


def lifespan(warm: Callable[[], None]) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A server's lifespan that warms up while the server waits for the first visit."""

    @asynccontextmanager
    async def warming(_: Any) -> AsyncIterator[None]:
        threading.Thread(target=warm, name="warm-up", daemon=True).start()
        yield

    return warming
