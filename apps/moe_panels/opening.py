"""Which records are looked at; opened ahead of the first visit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.shell.opening import RunOpener, lifespan

if TYPE_CHECKING:
    from apps.moe_panels.traffic import Traffic


def _shipped() -> Path:
    from training.moe.ship import DEMO

    return DEMO


def _read(path: Path) -> Traffic:
    from apps.moe_panels.traffic import Traffic

    return Traffic.open(path)


_opener = RunOpener("interp moe train", page="apps.moe_panels.page", shipped=_shipped, read=_read)
asked_run, open_traffic, warming = _opener.asked, _opener.open, lifespan(_opener.warm)
