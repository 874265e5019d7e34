"""Opens the lab once for all sessions of a server, ahead of the first visit.

Importing torch, numba and pandas takes most of a cold start, so a thread begins as the server starts, while the
browser still loads the page. `cache` alone would let a visit that comes early open a second lab, hence the lock.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from interp.runs.errors import UserError

if TYPE_CHECKING:
    from apps.circuits_panels.lab import Lab

_opening = threading.Lock()


def open_lab() -> Lab:
    """The shipped model with its dictionaries. Raises UserError if their files cannot be read."""
    with _opening:
        return _open()


@cache
def _open() -> Lab:
    from apps.circuits_panels.othello_lab import OthelloLab

    return OthelloLab()


def warm() -> None:
    """Import what the page imports, open the lab, and trace the screen that the app opens on."""
    import apps.circuits_panels.page  # noqa: F401
    from apps.circuits_panels.presets import presets

    try:
        lab, screen = open_lab(), presets()[0].screen
        lab.read(screen.shown)
        lab.trace(screen.shown, screen.target_text, screen.set)
    except UserError:
        return  # the page will say it


@asynccontextmanager
async def warming(_: Any) -> AsyncIterator[None]:
    """The server's lifespan: warm up while it waits for the first visit."""
    threading.Thread(target=warm, name="warm-up", daemon=True).start()
    yield
