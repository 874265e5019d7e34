"""The clusters page in headless Chromium: points are drawn and can be boxed, rows and sliders answer, nothing leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.browser import ROOT, Visit, served, visit
from benchmarks.clusters_app import DRAWN
from benchmarks.made_corpus import make_corpus
from training.sampling.folder import SamplingRun
from training.sampling.schedule import Schedule

pytestmark = pytest.mark.browser
MAP = '[class*="st-key-map-"] .js-plotly-plot'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> SamplingRun:
    return make_corpus(tmp_path_factory.mktemp("runs") / "made", documents=600, clusters=8, empty=1)


@pytest.fixture(scope="module")
def url(run: SamplingRun) -> Iterator[str]:
    """The app itself on a made run, named as a user names it."""
    with served(ROOT / "apps" / "clusters.py", words=["--run", str(run.path)]) as server:
        yield server.url


@pytest.fixture
def seen(url: str) -> Iterator[Visit]:
    """The opening screen."""
    with visit() as opened:
        yield go(opened, url)
        assert not opened.strangers and not opened.errors


def go(opened: Visit, url: str) -> Visit:
    """Open a page and wait until the map's points are drawn."""
    opened.page.goto(url)
    opened.page.wait_for_function(DRAWN, timeout=120_000)
    opened.wait_ready()
    assert opened.page.locator('[data-testid="stException"]').count() == 0
    return opened


def test_boxed_documents_are_shown_and_left_again(seen: Visit) -> None:
    page = seen.page
    page.locator(MAP).hover()
    page.locator(f'{MAP} [data-title="Box Select"]').click()
    place = page.locator(f"{MAP} .nsewdrag").first.bounding_box()
    page.mouse.move(place["x"] + 10, place["y"] + 40)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 10, place["y"] + place["height"] - 10, steps=8)
    page.mouse.up()
    page.get_by_text(re.compile(r"\d+ documents from the map")).wait_for(timeout=60_000)
    page.get_by_role("button", name="Show everything").click()
    page.get_by_text("All documents").wait_for(timeout=60_000)


def test_row_of_the_table_chooses_a_cluster_and_the_link_keeps_it(seen: Visit, url: str) -> None:
    seen.page.locator('.st-key-clusters [data-testid="stDataFrame"]').click(position={"x": 18, "y": 90})
    seen.page.wait_for_url(re.compile("cluster=1"), timeout=60_000)
    link = seen.page.url
    go(seen, link)
    seen.page.locator(".lab-terms").wait_for(timeout=60_000)
    assert seen.page.get_by_text(re.compile("^Cluster 1 · ")).count() == 1


def test_slider_redraws_and_the_schedule_follows(seen: Visit, run: SamplingRun, tmp_path: Path) -> None:
    seen.page.locator('.st-key-clip input[type="range"]').focus()
    seen.page.keyboard.press("ArrowRight")
    seen.page.get_by_text("of 5.5").wait_for(timeout=60_000)
    seen.wait_ready()
    with seen.page.expect_download() as started:
        seen.page.get_by_role("button", name="Schedule (YAML)").click()
    started.value.save_as(tmp_path / "schedule.yaml")
    schedule = Schedule.read(tmp_path / "schedule.yaml")
    assert schedule.strategy.clip == 5.5 and schedule.run == str(run.path)
    assert yaml.safe_load((tmp_path / "schedule.yaml").read_text())["sizes"] == run.sizes.tolist()
    assert len(schedule.sampler()) == 3 * run.sizes.sum()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_does_not_scroll_sideways(url: str, scheme: str) -> None:
    with visit(width=390, height=844, scheme=scheme) as opened:  # type: ignore[arg-type]
        page = go(opened, url).page
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 1 and not opened.errors and not opened.strangers


def test_bad_run_shows_a_box_and_the_shipped_one(tmp_path: Path) -> None:
    with served(ROOT / "apps" / "clusters.py", words=["--run", str(tmp_path)]) as server, visit() as opened:
        go(opened, server.url)
        assert opened.page.locator('[data-testid="stAlert"]').count() == 1
        assert opened.page.locator(".lab-badge").first.inner_text() == "demo"
