"""Which run is looked at; opened ahead of the first visit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from apps.shell.opening import RunOpener, lifespan

if TYPE_CHECKING:
    from apps.clusters_panels.corpus import Corpus


def _shipped() -> Path:
    from training.sampling.ship import DEMO

    return DEMO


def _read(path: Path) -> Corpus:
    from apps.clusters_panels.corpus import Corpus

    return Corpus.open(path)


_opener = RunOpener("interp sample prepare", page="apps.clusters_panels.page", shipped=_shipped, read=_read)
asked_run, open_corpus, warming = _opener.asked, _opener.open, lifespan(_opener.warm)
