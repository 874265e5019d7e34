"""Which run is looked at, opened once for all sessions of a server, ahead of the first visit.

The imports take most of a cold start, so a thread begins as the server starts, while the browser still loads the page.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.runs.errors import UserError

if TYPE_CHECKING:
    from apps.clusters_panels.corpus import Corpus

_opening = threading.Lock()


def asked_run() -> str:
    """The folder named on the command line after `--run`, or nothing. Raises UserError for `--run` without a folder."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False, allow_abbrev=False)
    parser.add_argument("--run", default="")
    try:
        return parser.parse_known_args(sys.argv[1:])[0].run
    except argparse.ArgumentError:
        raise UserError("--run is given without a folder; accepted is one that `interp sample prepare` made") from None


def open_corpus(folder: str) -> Corpus:
    """The run in `folder`, or the shipped one for ''. Raises UserError if there is none or it cannot be read.

    A run that was prepared anew is read anew.
    """
    from training.sampling.ship import DEMO

    path = Path(folder).expanduser() if folder else DEMO
    try:
        changed = (path / "manifest.json").stat().st_mtime_ns
    except (OSError, ValueError):  # ValueError: a null byte in the name
        changed = 0
    with _opening:
        return _open(path, changed)


@lru_cache(maxsize=2)
def _open(path: Path, changed: int) -> Corpus:
    from apps.clusters_panels.corpus import Corpus

    return Corpus.open(path)


def warm() -> None:
    """Import what the page imports, and open the run that the app opens on."""
    import apps.clusters_panels.page  # noqa: F401

    try:
        open_corpus(asked_run())
    except UserError:
        return  # the page will say it


@asynccontextmanager
async def warming(_: Any) -> AsyncIterator[None]:
    """The server's lifespan: warm up while it waits for the first visit."""
    threading.Thread(target=warm, name="warm-up", daemon=True).start()
    yield
