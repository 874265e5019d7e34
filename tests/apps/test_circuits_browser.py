"""Real clicks in headless Chromium: board, graph, pins, pictures, files, narrow and dark screens, nothing leaves the machine."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import ROOT, Visit, served, visit

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "on_random_lab.py"
NODE = ".link-graph .node"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The app on the random lab."""
    with served(SCRIPT) as server:
        yield server.url


@pytest.fixture
def seen(url: str) -> Iterator[Visit]:
    """The opening screen."""
    with visit() as opened:
        yield go(opened, url)
        assert not opened.strangers and not opened.errors


def go(opened: Visit, url: str) -> Visit:
    """Open a page and wait until the graph stands."""
    opened.page.goto(url)
    opened.page.locator(NODE).first.wait_for(timeout=90_000)
    opened.wait_ready()
    assert opened.page.locator('[data-testid="stException"]').count() == 0
    return opened


def in_link(opened: Visit, pattern: str) -> None:
    """Wait until the address matches."""
    opened.page.wait_for_url(re.compile(pattern), timeout=30_000)
    opened.wait_ready()


def test_clicks_on_board_and_graph_reach_python_and_the_link(seen: Visit) -> None:
    page = seen.page
    page.locator(".game .act").first.click()
    in_link(seen, "ply=13")
    page.locator(f'{NODE}[aria-pressed="false"] .hit').first.click(force=True)
    in_link(seen, "node=")
    page.locator(".model .act").first.focus()
    page.keyboard.press("Enter")
    in_link(seen, "a1(%40|@)13")
    page.locator('.link-graph svg[aria-label="circuit of logit:a1@13"]').wait_for()


def test_shift_click_pins_and_a_fresh_visit_to_the_link_shows_the_pin(seen: Visit) -> None:
    seen.page.locator(f'{NODE}[aria-pressed="false"] .hit').first.click(force=True, modifiers=["Shift"])
    in_link(seen, "pins=")
    seen.page.get_by_text("Pinned", exact=True).click()
    in_link(seen, "panel=Pinned")
    go(seen, seen.page.url)
    pinned = seen.page.locator('.link-graph svg[aria-label^="pinned circuit"]')
    assert pinned.locator(".node").count() == 2 and pinned.locator(".pin").count() == 1
    assert seen.page.locator(".link-graph .pin").count() == 2


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_graph_is_saved_as_a_picture_made_in_the_browser(seen: Visit, kind: str, tmp_path: Path) -> None:
    nodes = seen.page.locator(NODE).count()
    with seen.page.expect_download() as started:
        seen.page.locator(f'.tools button[data-kind="{kind}"]').first.click()
    path = tmp_path / started.value.suggested_filename
    started.value.save_as(path)
    assert path.name == f"circuit-of-logit-b5-12.{kind}"
    if kind == "png":
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 20_000
        return
    drawing = ET.parse(path).getroot()
    shapes = drawing.iter("{http://www.w3.org/2000/svg}path")
    assert len(list(shapes)) > 50 and "fill:rgb" in path.read_text() and "var(" not in path.read_text()
    assert path.read_text().count("<g") > nodes


def test_bad_file_shows_a_box_and_a_good_one_opens(seen: Visit, tmp_path: Path) -> None:
    seen.page.get_by_text("Game as text, or from a file").click()
    files = seen.page.locator('input[type="file"]')
    (tmp_path / "bad.json").write_text("{}")
    files.set_input_files(tmp_path / "bad.json")
    seen.page.locator('[data-testid="stAlert"]').get_by_text("bad.json is no circuit").wait_for()
    (tmp_path / "game.txt").write_text("f5 d6 c3")
    files.set_input_files(tmp_path / "game.txt")
    in_link(seen, "moves=f5d6c3")
    assert seen.page.locator('[data-testid="stAlert"]').count() == 0


def test_row_of_a_table_walks_the_graph(seen: Visit) -> None:
    seen.page.locator('[data-testid="stDataFrame"]').first.click(position={"x": 18, "y": 55})
    in_link(seen, "node=")


@pytest.mark.parametrize("panel", ["Verify", "Pinned", "Attention", "Compare", "Export"])
def test_links_open_every_panel_without_complaint(url: str, panel: str) -> None:
    with visit() as opened:
        go(opened, f"{url}/?target=attention:L1H3@9,8&panel={panel}")
        assert opened.page.locator('[data-testid="stAlert"]').count() == 0
        assert not opened.strangers and not opened.errors


def test_bad_link_shows_a_box_and_a_circuit(url: str) -> None:
    with visit() as opened:
        go(opened, f"{url}/?moves=f5f5&pins=<script>")
        assert opened.page.locator('[data-testid="stAlert"]').count() == 2


def test_the_app_itself_starts_from_any_folder_and_says_what_it_lacks(tmp_path: Path) -> None:
    with served(ROOT / "apps" / "circuits.py", folder=tmp_path) as server, visit() as opened:
        opened.page.goto(server.url)
        opened.page.locator(f'{NODE}, [data-testid="stAlert"]').first.wait_for(timeout=90_000)
        opened.wait_ready()
        assert opened.page.locator('[data-testid="stException"]').count() == 0 and not opened.strangers


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_does_not_scroll_sideways(url: str, scheme: str) -> None:
    with visit(width=390, height=844, scheme=scheme) as opened:  # type: ignore[arg-type]
        page = go(opened, url).page
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 1
        assert page.locator(".game circle.white").count() > 1
        assert page.locator(NODE).first.bounding_box()["y"] < 3000
