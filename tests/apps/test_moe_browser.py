"""The MoE page in headless Chromium: squares, tokens, rows and sliders answer, links hold, nothing leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import ROOT, Visit, served, visit
from tests.training.moe.made_records import write_records
from training.moe.record_files import Records
from training.moe.rules import Rules

pytestmark = pytest.mark.browser
GRID = ".st-key-grid .js-plotly-plot"
BRUSH = '[class*="st-key-brush-"]'
APP = ROOT / "apps" / "moe.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps of three layers, 8 experts on 2 ranks."""
    path = tmp_path_factory.mktemp("runs") / "made"
    write_records(path, Rules(k=2, capacity=1.5), experts=8, steps=4, layers=3)
    return path


@pytest.fixture(scope="module")
def url(run: Path) -> Iterator[str]:
    """The app itself on made records, named as a user names them."""
    with served(APP, words=["--run", str(run)]) as server:
        yield server.url


@pytest.fixture
def seen(url: str) -> Iterator[Visit]:
    """The opening screen."""
    with visit() as opened:
        yield go(opened, url)
        assert not opened.strangers and not opened.errors


def go(opened: Visit, url: str) -> Visit:
    """Open a page and wait until the last chart is drawn."""
    opened.page.goto(url)
    opened.page.locator(".st-key-bands .js-plotly-plot .scatterlayer").first.wait_for(timeout=180_000)
    opened.wait_ready()
    assert opened.page.locator('[data-testid="stException"]').count() == 0
    return opened


def test_a_clicked_square_is_chosen_and_the_link_keeps_it(seen: Visit) -> None:
    page = seen.page
    seen.click_point(GRID, 1)
    page.locator(".lab-note", has_text=re.compile("^Layer 0, expert 1:")).wait_for(timeout=120_000)
    page.wait_for_url(re.compile("expert=1"), timeout=120_000)
    go(seen, page.url)
    page.locator(".lab-note", has_text=re.compile("^Layer 0, expert 1:")).wait_for(timeout=120_000)


def test_a_link_keeps_the_busiest_expert_of_another_layer(seen: Visit) -> None:
    page = seen.page
    for key, value in (("layer", 0), ("expert", 1), ("layer", 2)):
        page.locator(f".st-key-{key} input").first.click()
        page.locator('[role="option"]', has_text=re.compile(f"^{value}$")).first.click()
        page.wait_for_url(re.compile(f"{key}={value}"), timeout=120_000)
        seen.wait_ready()
    go(seen, page.url)
    page.locator(".lab-note", has_text=re.compile("^Layer 2, expert 1:")).wait_for(timeout=120_000)


def test_a_clicked_token_shows_its_record(seen: Visit) -> None:
    page = seen.page
    page.locator(".tokens button").nth(4).click()
    page.locator(".st-key-strip").wait_for()
    page.locator(".tokens button.chosen").wait_for(timeout=120_000)
    page.locator('input[aria-label="Position"]').first.wait_for()
    page.wait_for_function("() => document.querySelector('input[aria-label=\"Position\"]').value === '4'", timeout=120_000)
    page.locator(".tokens button").nth(6).focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('input[aria-label=\"Position\"]').value === '6'", timeout=120_000)


def test_routing_again_moves_with_the_slider_and_adds_up(seen: Visit) -> None:
    page = seen.page
    page.locator('.st-key-capacity input[type="range"]').focus()
    page.keyboard.press("Home")
    page.locator(".lab-note", has_text=re.compile("again, top-2, c 0.25, FR.IR: .* 64 kept . dropped = 32 tokens")).wait_for(
        timeout=120_000
    )
    seen.wait_ready()
    assert "✗" not in page.content()
    page.wait_for_url(re.compile("capacity=0.25"), timeout=120_000)


def test_a_box_over_steps_sums_them_up_and_the_link_keeps_it(seen: Visit) -> None:
    page = seen.page
    page.get_by_text("Several steps").click()
    page.locator(f"{BRUSH} .js-plotly-plot .scatterlayer").first.wait_for(timeout=120_000)
    page.locator(BRUSH).first.scroll_into_view_if_needed()
    place = page.locator(f"{BRUSH} .nsewdrag").first.bounding_box()
    page.mouse.move(place["x"] + 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.6, place["y"] + place["height"] / 2 + 5, steps=8)
    page.mouse.up()
    page.wait_for_url(re.compile("steps=0-1"), timeout=120_000)
    seen.wait_ready()
    page.goto(page.url)
    back = page.get_by_role("button", name="Back to step 3")
    back.wait_for(timeout=120_000)
    assert page.get_by_text("Steps 0 to 1: 2 steps together").count()
    back.click()
    back.wait_for(state="detached", timeout=120_000)
    seen.wait_ready()
    assert "steps=" not in page.url


def test_a_clicked_step_is_looked_at_also_after_boxes(seen: Visit) -> None:
    page = seen.page
    page.get_by_text("Several steps").click()
    page.locator(f"{BRUSH} .js-plotly-plot .scatterlayer").first.wait_for(timeout=120_000)
    page.get_by_text("One step").click()
    page.locator(".st-key-bands .js-plotly-plot .scatterlayer").first.wait_for(timeout=120_000)
    seen.wait_ready()
    seen.click_point(".st-key-bands .js-plotly-plot", 1)
    page.wait_for_url(re.compile("step=1"), timeout=120_000)


def test_a_step_is_chosen_and_exports_are_of_it(seen: Visit, run: Path, tmp_path: Path) -> None:
    page = seen.page
    page.locator('.st-key-step input[type="range"]').focus()
    page.keyboard.press("Home")
    page.wait_for_url(re.compile("step=0"), timeout=120_000)
    seen.wait_ready()
    go(seen, page.url)  # an export that is asked for while the script runs may be of the step before
    with page.expect_download(timeout=120_000) as started:
        page.get_by_role("button", name="Routes of this step (JSONL)").click()
    started.value.save_as(tmp_path / "routes.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "routes.jsonl").read_text().splitlines()]
    assert len(rows) == len(Records.open(run).routes(0)) and {row["step"] for row in rows} == {0}
    assert Records.open(tmp_path / "routes.jsonl").loads["kept"].sum() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_does_not_scroll_sideways(url: str, scheme: str) -> None:
    with visit(width=390, height=844, scheme=scheme) as opened:  # type: ignore[arg-type]
        page = go(opened, url).page
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 1 and not opened.errors and not opened.strangers


def test_bad_records_show_a_box_and_the_shipped_ones(tmp_path: Path) -> None:
    with served(APP, words=["--run", str(tmp_path)]) as server, visit() as opened:
        go(opened, server.url)
        assert opened.page.locator('[data-testid="stAlert"]').count() == 1
        assert opened.page.locator(".lab-badge").first.inner_text() == "demo data"
        assert opened.bytes < 5_000_000
