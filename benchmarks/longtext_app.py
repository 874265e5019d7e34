"""The long-text app: seconds until numbers and the document are on screen, until the plane is drawn, from a border's slider
to the counts of the types, from a segment to its text, and of a rerun.

Cold: a server that has just begun to answer, a browser that has not seen the page. A slider is moved by a key, from the key
until the shares of the types have changed. Run on idle cores: `python -m benchmarks.longtext_app`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.browser import ROOT, Visit, served, visit
from benchmarks.harness import arguments, publish
from benchmarks.made_longtext import make_longtext
from benchmarks.script_reruns import script_reruns

_APP = ROOT / "apps" / "longtext.py"
DOCUMENTS = 20_000
NUMBERS, DOCUMENT = ".lab-metrics", ".lab-text"
PLANE = '[class*="st-key-plane-"] .js-plotly-plot :is(.scatterlayer .point, .gl-canvas)'
_SLIDER = '[class*="st-key-high-"] input[type="range"]'
_CHANGED = """([place, before]) => {
  const found = document.querySelector(place);
  return found && found.innerText !== before;
}"""
_TARGETS = {
    "cold_numbers_seconds": 5.0,
    "slider_to_counts_median_seconds": 0.4,
    "segment_to_text_median_seconds": 0.5,
    "script_rerun_median_seconds": 0.3,
}


def cold(run: Path | None, steps: int) -> dict[str, Any]:
    """A visit to a fresh server on a run: seconds to numbers, document and plane; bytes; then slider and segments."""
    with served(_APP, words=["--run", str(run)] if run else []) as server, visit() as seen:
        began, times = time.perf_counter(), {"server": server.seconds}
        seen.page.goto(server.url)
        for name, place in (("numbers", NUMBERS), ("document", DOCUMENT), ("plane", PLANE)):
            seen.page.locator(place).first.wait_for(state="attached", timeout=120_000)
            times[name] = time.perf_counter() - began
        seen.wait_ready()
        found: dict[str, Any] = {**times, "bytes": seen.bytes, "segments": segments(seen, steps)}
        return found | {"slider": slide(seen, steps)}


def slide(seen: Visit, steps: int) -> list[float]:
    """Seconds from a key on the slider of `high` until the row of numbers has changed; the first move is dropped."""
    slider = seen.page.locator(_SLIDER)
    seen.wait_ready()
    slider.scroll_into_view_if_needed()
    taken = []
    for step in range(steps):
        slider.focus()
        taken.append(_changed(seen, NUMBERS, lambda step=step: seen.page.keyboard.press("Home" if step % 2 else "End")))
    return taken[1:]


def segments(seen: Visit, steps: int) -> list[float]:
    """Seconds from a click on a segment until its text is there."""
    boxes = seen.page.locator(".strip .segment")
    taken = []
    for step in range(steps):
        box = boxes.last if step % 2 == 0 else boxes.first
        seen.wait_ready()  # the strip is put in anew when a segment was turned to
        box.scroll_into_view_if_needed()
        taken.append(_changed(seen, DOCUMENT, box.click))
    return taken[1:]


def _changed(seen: Visit, place: str, act: Any) -> float:
    seen.wait_ready()
    before = seen.page.locator(place).first.inner_text()
    began = time.perf_counter()
    act()
    seen.page.wait_for_function(_CHANGED, arg=[place, before], timeout=60_000)
    return time.perf_counter() - began


def main() -> None:
    """Measure and write `results/longtext_app.json`."""
    quick = arguments(__doc__).parse_args().quick
    visits, steps = (1, 3) if quick else (3, 11)
    small = [cold(None, steps) for _ in range(visits)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "large"
        make_longtext(run, documents=500 if quick else DOCUMENTS)
        large = [cold(run, steps) for _ in range(visits)]
    result: dict[str, Any] = {
        "server_seconds": _median(small, "server"),
        "cold_numbers_seconds": _median(small, "numbers"),
        "cold_document_seconds": _median(small, "document"),
        "cold_plane_seconds": _median(small, "plane"),
        "first_view_bytes": _median(small, "bytes"),
        "numbers_20k_seconds": _median(large, "numbers"),
        "plane_20k_seconds": _median(large, "plane"),
        "first_view_bytes_20k": _median(large, "bytes"),
        "slider_to_counts_median_seconds": _all(small, "slider"),
        "slider_to_counts_median_seconds_20k": _all(large, "slider"),
        "segment_to_text_median_seconds": _all(small, "segments"),
    } | script_reruns(_APP, 5 if quick else 20)
    note = (
        "Medians of three cold visits in headless Chromium, WebGL in software; the shipped run, and a made one of "
        f"{DOCUMENTS:,} documents."
    )
    publish("longtext_app", result | {"target": _TARGETS, "note": note, "title": "Long-text app"}, quick=quick)


def _median(visits: list[dict[str, Any]], name: str) -> float:
    return statistics.median(found[name] for found in visits)


def _all(visits: list[dict[str, Any]], name: str) -> float:
    return statistics.median(seconds for found in visits for seconds in found[name])


if __name__ == "__main__":
    main()
