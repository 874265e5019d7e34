"""Which run is looked at, opened once for all sessions of a server, ahead of the first visit."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from apps.shell.opening import changed, folder_after_run, lifespan
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from apps.longtext_panels.corpus import LongTexts

_opening = threading.Lock()


def asked_run() -> str:
    """The folder named on the command line after `--run`, or nothing. Raises UserError for `--run` without a folder."""
    return folder_after_run("interp longtext score")


def open_texts(folder: str) -> LongTexts:
    """The run in `folder`, or the shipped one for ''. Raises UserError if there is none or it cannot be read.

    A run that was scored anew is read anew.
    """
    from training.longtext.ship import DEMO

    path = Path(folder).expanduser() if folder else DEMO
    with _opening:
        return _open(path, changed(path))


@lru_cache(maxsize=2)
def _open(path: Path, changed: int) -> LongTexts:
    from apps.longtext_panels.corpus import LongTexts

    return LongTexts.open(path)


def warm() -> None:
    """Import what the page imports, and open the run that the app opens on."""
    import apps.longtext_panels.page  # noqa: F401

    try:
        open_texts(asked_run())
    except UserError:
        return  # the page will say it


warming = lifespan(warm)
