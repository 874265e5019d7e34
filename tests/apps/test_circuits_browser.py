"""Real clicks in headless Chromium: board, graph, narrow and dark screens, and nothing leaves the machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The app on the random lab, served on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = str(Path(__file__).parent / "on_random_lab.py")
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    server = subprocess.Popen([sys.executable, "-m", "streamlit", "run", script, *options], cwd=ROOT)
    address = f"http://127.0.0.1:{port}"
    deadline = time.time() + 60
    while time.time() < deadline:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).read()
            break
        except OSError:
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait(10)


def _visit(url: str, *, width: int = 1280, scheme: str = "light"):
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.strangers = []
    page.on("request", lambda request: page.strangers.append(request.url) if _leaves(request.url) else None)
    page.goto(url)
    page.wait_for_selector(".link-graph .node", timeout=60_000)
    return playwright, browser, page


def _leaves(url: str) -> bool:
    return url.startswith("http") and not url.startswith(("http://127.0.0.1", "http://localhost"))


def test_clicks_on_board_and_graph_reach_python_and_the_link(url: str) -> None:
    playwright, browser, page = _visit(url)
    try:
        page.locator(".game .act").first.click()
        page.wait_for_function("() => location.search.includes('ply=13')")
        page.locator('.link-graph .node:not([aria-pressed="true"]) .hit').first.click(force=True)
        page.wait_for_function("() => location.search.includes('node=')")
        page.locator(".model .act").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => location.search.includes('a1%4013') || location.search.includes('a1@13')")
        assert not page.strangers
        assert page.locator('[data-testid="stException"]').count() == 0
    finally:
        browser.close()
        playwright.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_does_not_scroll_sideways(url: str, scheme: str) -> None:
    playwright, browser, page = _visit(url, width=390, scheme=scheme)
    try:
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 1
        assert page.locator(".game circle.white").count() > 1
    finally:
        browser.close()
        playwright.stop()
