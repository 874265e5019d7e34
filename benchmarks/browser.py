"""An app as a visitor meets it: its server as a process of its own, and a page in headless Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

ROOT = Path(__file__).parents[1]
# Without these a container's Chromium does not start, or draws no WebGL.
_FLAGS = ["--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--use-angle=swiftshader"]
_STREAMLIT = str(Path(sys.executable).with_name("streamlit"))
_READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'


class Served(NamedTuple):
    """A running server."""

    url: str
    seconds: float
    """From its start to the first answer."""


@contextmanager
def served(
    script: Path, *, words: Sequence[str] = (), folder: Path = ROOT / "apps", timeout: float = 120.0
) -> Iterator[Served]:
    """Serve a Streamlit script on a free port, from a working folder, `words` being the script's own arguments.

    Raises TimeoutError if it does not answer in time.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    began = time.perf_counter()
    server = subprocess.Popen([_STREAMLIT, "run", str(script.resolve()), *options, "--", *words], cwd=folder)
    try:
        url = f"http://127.0.0.1:{port}"
        while not _answers(f"{url}/_stcore/health"):
            if time.perf_counter() - began > timeout:
                raise TimeoutError(f"{script} was not served within {timeout} s")
            time.sleep(0.05)
        yield Served(url, time.perf_counter() - began)
    finally:
        server.terminate()
        server.wait(20)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=1).read()
    except OSError:
        return False
    return True


class Visit:
    """A page, and what went over the wire."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.bytes = 0
        """Received through web sockets."""
        self.strangers: list[str] = []
        """Requests that left this machine."""
        self.errors: list[str] = []
        """What the console complained about."""
        page.on("websocket", lambda socket: socket.on("framereceived", self._received))
        page.on("request", lambda request: self._requested(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def _received(self, frame: str | bytes) -> None:
        self.bytes += len(frame)

    def _requested(self, url: str) -> None:
        if url.startswith("http") and not url.startswith(("http://127.0.0.1", "http://localhost")):
            self.strangers.append(url)

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Wait until the script has run and nothing is a placeholder any more."""
        self.page.wait_for_selector(_READY, timeout=1000 * seconds)
        self.page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')", timeout=1000 * seconds)

    def click_point(self, chart: str, number: int) -> None:
        """Click a point of a chart, -1 being the last, as a reader does: once the chart tells what is under the mouse."""
        spot = self.page.locator(f"{chart} .scatterlayer .point").nth(number)
        spot.scroll_into_view_if_needed()
        box = spot.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y, steps=3)
        self.page.locator(f"{chart} .hovertext").first.wait_for()
        self.page.mouse.click(x, y)


@contextmanager
def visit(*, width: int = 1280, height: int = 800, scheme: Literal["light", "dark"] = "light") -> Iterator[Visit]:
    """A blank page in the machine's Chromium (CHROMIUM names another one)."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield Visit(browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme))
        finally:
            browser.close()
