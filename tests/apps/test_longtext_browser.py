"""The long-text page in headless Chromium: points, rows, segments and sliders answer, links hold, nothing leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.browser import ROOT, Visit, served, visit
from benchmarks.made_longtext import make_longtext
from training.longtext.folder import LongTextRun
from training.longtext.thresholds import Thresholds
from training.sampling.schedule import Schedule

pytestmark = pytest.mark.browser
PLANE = '[class*="st-key-plane-"] .js-plotly-plot'
APP = ROOT / "apps" / "longtext.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LongTextRun:
    return make_longtext(tmp_path_factory.mktemp("runs") / "made", documents=90, chinese=30)


@pytest.fixture(scope="module")
def url(run: LongTextRun) -> Iterator[str]:
    """The app itself on a made run, named as a user names it."""
    with served(APP, words=["--run", str(run.path)]) as server:
        yield server.url


@pytest.fixture
def seen(url: str) -> Iterator[Visit]:
    """The opening screen."""
    with visit() as opened:
        yield go(opened, url)
        assert not opened.strangers and not opened.errors


def go(opened: Visit, url: str) -> Visit:
    """Open a page and wait until the plane's points are drawn."""
    opened.page.goto(url)
    opened.page.locator(f"{PLANE} .scatterlayer .point").first.wait_for(timeout=120_000)
    opened.wait_ready()
    assert opened.page.locator('[data-testid="stException"]').count() == 0
    return opened


def test_clicked_point_is_read_and_the_link_keeps_it(seen: Visit) -> None:
    page = seen.page
    seen.click_point(PLANE, -1)
    page.wait_for_url(re.compile("document=doc-"), timeout=60_000)
    name = re.search(r"document=(doc-\d+)", page.url)[1]
    page.locator(".lab-doc-head b", has_text=re.compile(f"^{name}$")).wait_for(timeout=60_000)
    link = page.url
    go(seen, link)
    page.locator(".lab-doc-head b", has_text=re.compile(f"^{name}$")).wait_for(timeout=60_000)


def test_segment_of_the_strip_is_turned_to(seen: Visit) -> None:
    page = seen.page
    page.locator(".strip .segment").last.click()
    page.locator(".lab-note", has_text=re.compile(r"^segment (\d+) of \1,")).wait_for(timeout=60_000)
    page.locator(".strip .segment").first.focus()
    page.keyboard.press("Enter")
    page.locator(".lab-note", has_text=re.compile("^segment 1 of ")).wait_for(timeout=60_000)


def test_language_is_switched_and_kept_by_the_link(seen: Visit) -> None:
    seen.page.get_by_role("radio", name="Chinese").click()
    seen.page.wait_for_url(re.compile("language=Chinese"), timeout=60_000)
    seen.page.get_by_text("not computed (needs a language model").first.wait_for(timeout=60_000)
    go(seen, seen.page.url)
    assert seen.page.get_by_text("not computed (needs a language model").count()


def test_slider_moves_borders_and_the_thresholds_follow(seen: Visit, run: LongTextRun, tmp_path: Path) -> None:
    slider = seen.page.locator('.st-key-high-en input[type="range"]')
    slider.focus()
    seen.page.keyboard.press("End")
    seen.page.get_by_text(re.compile("[1-9][0-9]* changed type")).wait_for(timeout=60_000)
    seen.wait_ready()
    with seen.page.expect_download() as started:
        seen.page.get_by_role("button", name="Thresholds (YAML)").click()
    started.value.save_as(tmp_path / "thresholds.yaml")
    moved = Thresholds.read(tmp_path / "thresholds.yaml")
    assert 1.0 in {cuts.high for one in moved.references for cuts in one.cuts.values()}
    assert json.loads((tmp_path / "thresholds.yaml").read_text())["about"]["changed"] > 0


def test_mixture_is_a_schedule_that_samplers_draw(seen: Visit, run: LongTextRun, tmp_path: Path) -> None:
    seen.page.locator('.st-key-u-aggregated input[type="range"]').focus()
    seen.page.keyboard.press("ArrowRight")
    seen.page.get_by_text("--aggregated 2.25").wait_for(timeout=60_000)
    seen.wait_ready()
    with seen.page.expect_download() as started:
        seen.page.get_by_role("button", name="Schedule (YAML)").click()
    started.value.save_as(tmp_path / "mixture.yaml")
    schedule = Schedule.read(tmp_path / "mixture.yaml")
    assert 2.25 in schedule.strategy.factors and schedule.run == str(run.path)
    drawn = list(schedule.sampler())
    assert "chaotic" not in set(run.scores["type"].iloc[drawn])


def test_pasted_text_is_scored(seen: Visit) -> None:
    seen.page.get_by_text("Your own text").click()
    seen.page.get_by_label("Paste a text").fill("However, the river rose and it carried them away. " * 60)
    seen.page.get_by_role("button", name="Score", exact=True).click()
    seen.page.locator(".lab-doc-head b", has_text="your text").wait_for(timeout=60_000)
    assert seen.page.locator(".lab-verdict").inner_text().count("by the rule") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_does_not_scroll_sideways(url: str, scheme: str) -> None:
    with visit(width=390, height=844, scheme=scheme) as opened:  # type: ignore[arg-type]
        page = go(opened, url).page
        wide = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth")
        assert wide <= 1 and not opened.errors and not opened.strangers


def test_bad_run_shows_a_box_and_the_shipped_one(tmp_path: Path) -> None:
    with served(APP, words=["--run", str(tmp_path)]) as server, visit() as opened:
        go(opened, server.url)
        assert opened.page.locator('[data-testid="stAlert"]').count() == 1
        assert opened.page.locator(".lab-badge").first.inner_text() == "demo"
