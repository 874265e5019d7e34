"""The lab opens once, ahead of the first visit; the server finds the page by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from importlib import import_module
from pathlib import Path

import pytest
from random_lab import RandomLab
from streamlit.web.server.app_discovery import discover_asgi_app

from apps.circuits_panels import opening
from interp.runs.errors import UserError

open_lab = opening.open_lab  # as it was before a test page put another one in its place
SCRIPT = Path(__file__).parents[2] / "apps" / "circuits.py"


def test_streamlit_finds_the_server_that_warms_up() -> None:
    found = discover_asgi_app(SCRIPT)
    assert found.is_asgi_app and found.import_string == "circuits:app"


def test_early_visits_share_one_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[RandomLab] = []

    def slow() -> RandomLab:
        time.sleep(0.05)
        opened.append(RandomLab())
        return opened[-1]

    # By its place in sys.modules, where `opening` looks too: an AppTest may have imported the module anew.
    monkeypatch.setattr(import_module("apps.circuits_panels.othello_lab"), "OthelloLab", slow)
    monkeypatch.setattr(opening, "open_lab", open_lab)
    opening._open.cache_clear()
    try:
        visits = [threading.Thread(target=open_lab) for _ in range(4)]
        for visit in visits:
            visit.start()
        for visit in visits:
            visit.join()
        assert len(opened) == 1
        opening.warm()
        assert opened[0].calls["trace"] == opened[0].calls["read"] == 1
    finally:
        opening._open.cache_clear()


def test_warming_never_stops_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> RandomLab:
        raise UserError("no weights")

    monkeypatch.setattr(opening, "open_lab", refuse)

    async def live() -> None:
        async with opening.warming(None):
            await asyncio.sleep(0)
        for thread in threading.enumerate():
            if thread.name == "warm-up":
                thread.join(60)

    asyncio.run(live())
    opening.warm()
