"""Which run is opened: the command line's or the shipped one; once for all sessions, and anew when it was made anew."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest
from streamlit.web.server.app_discovery import discover_asgi_app

from apps.clusters_panels import opening
from benchmarks.made_corpus import make_corpus
from interp.runs.errors import UserError

asked_run = opening.asked_run  # as it was before a test page put another one in its place


def test_streamlit_finds_the_server_that_warms_up() -> None:
    found = discover_asgi_app(Path(__file__).parents[2] / "apps" / "clusters.py")
    assert found.is_asgi_app and found.import_string == "clusters:app"


@pytest.mark.parametrize(
    ("words", "expected"), [([], ""), (["--run", "a b"], "a b"), (["--run=c"], "c"), (["--other", "d"], "")]
)
def test_run_of_the_command_line(monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str) -> None:
    monkeypatch.setattr(sys, "argv", ["clusters.py", *words])
    assert asked_run() == expected


def test_run_without_a_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["clusters.py", "--run"])
    with pytest.raises(UserError, match="without a folder"):
        asked_run()
    asyncio.run(_live())  # never stops the server


async def _live() -> None:
    async with opening.warming(None):
        await asyncio.sleep(0)
    for thread in threading.enumerate():
        if thread.name == "warm-up":
            thread.join(60)


def test_opened_once_until_it_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    make_corpus(folder, documents=60, clusters=3)
    first = opening.open_corpus(str(folder))
    assert opening.open_corpus(str(folder)) is first
    make_corpus(folder, documents=80, clusters=3)
    os.utime(folder / "manifest.json", ns=(1, 1))
    assert len(opening.open_corpus(str(folder)).documents) == 80


def test_shipped_run_opens_without_a_name() -> None:
    assert opening.open_corpus("").name == "demo"
    assert opening.open_corpus("").categories == ("source", "kind")
