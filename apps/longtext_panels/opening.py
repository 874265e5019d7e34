"""Which run is looked at; opened ahead of the first visit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.shell.opening import RunOpener, lifespan

if TYPE_CHECKING:
    from apps.longtext_panels.corpus import LongTexts


def _shipped() -> Path:
    from training.longtext.ship import DEMO

    return DEMO


def _read(path: Path) -> LongTexts:
    from apps.longtext_panels.corpus import LongTexts

    return LongTexts.open(path)


_opener = RunOpener("interp longtext score", page="apps.longtext_panels.page", shipped=_shipped, read=_read)
asked_run, open_texts, warming = _opener.asked, _opener.open, lifespan(_opener.warm)
