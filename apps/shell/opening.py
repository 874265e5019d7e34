"""Opening a run for all sessions of a server, ahead of the first visit: what the apps on run folders share.

The imports take most of a cold start, so a thread begins as the server starts, while the browser still loads the page.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from interp.runs.errors import UserError


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


def changed(run: Path) -> int:
    """When the run's manifest was last written; 0 where there is none."""
    try:
        return (run / "manifest.json").stat().st_mtime_ns
    except (OSError, ValueError):  # ValueError: a null byte in the name
        return 0


def lifespan(warm: Callable[[], None]) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A server's lifespan that warms up while the server waits for the first visit."""

    @asynccontextmanager
    async def warming(_: Any) -> AsyncIterator[None]:
        threading.Thread(target=warm, name="warm-up", daemon=True).start()
        yield

    return warming
