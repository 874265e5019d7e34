"""The clusters app: seconds until numbers and table are on screen, until the shipped map and one of 100,000 points are
drawn, from a slider to the redrawn curves, and of a rerun.

Cold: a server that has just begun to answer, a browser that has not seen the page. WebGL is drawn by software. A map
counts as drawn once its canvas has coloured pixels and the page is at rest; a slider is moved by a key, from the key
until the curve's line has changed. Run on idle cores: `python -m benchmarks.clusters_app`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.browser import ROOT, Visit, served, visit
from benchmarks.harness import arguments, publish
from benchmarks.made_corpus import make_corpus
from benchmarks.script_reruns import script_reruns

_APP = ROOT / "apps" / "clusters.py"
POINTS, CLUSTERS = 100_000, 500
TABLE = '[data-testid="stDataFrame"] canvas'
NUMBERS = ".lab-metrics"
# Points that are drawn: the share of pixels of the map's WebGL canvas that are not empty, read off a copy of it.
DRAWN = """() => {
  for (const canvas of document.querySelectorAll('.js-plotly-plot .gl-canvas')) {
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [canvas.width, canvas.height];
    if (!copy.width || !copy.height) continue;
    const context = copy.getContext('2d');
    context.drawImage(canvas, 0, 0);
    const data = context.getImageData(0, 0, copy.width, copy.height).data;
    for (let at = 3; at < data.length; at += 4) if (data[at]) return true;
  }
  return false;
}"""
_CURVE = ".st-key-repeats .scatterlayer .trace:last-of-type path.js-line"
_SLIDER = '.st-key-clip input[type="range"]'
_TARGETS = {
    "cold_numbers_and_table_seconds": 5.0,
    "map_100k_seconds": 12.0,
    "slider_to_redraw_median_seconds": 0.4,
    "script_rerun_median_seconds": 0.3,
}


def cold(run: Path | None) -> tuple[dict[str, float], list[float]]:
    """A visit to a fresh server on a run: seconds to numbers and table, to the map; bytes; then the slider."""
    with served(_APP, words=["--run", str(run)] if run else []) as server, visit() as seen:
        began = time.perf_counter()
        seen.page.goto(server.url)
        for place in (NUMBERS, TABLE):
            seen.page.wait_for_selector(place, timeout=120_000)
        table = time.perf_counter() - began
        seen.page.wait_for_function(DRAWN, timeout=120_000)
        drawn = time.perf_counter() - began
        seen.wait_ready()
        return {"table": table, "map": drawn, "server": server.seconds, "bytes": seen.bytes}, slide(seen)


def slide(seen: Visit, steps: int = 11) -> list[float]:
    """Seconds from a key on the clip's slider until the curve of repeats has changed; the first move is dropped."""
    slider, curve = seen.page.locator(_SLIDER), seen.page.locator(_CURVE)
    slider.scroll_into_view_if_needed()
    curve.wait_for(state="attached", timeout=120_000)
    taken = []
    for step in range(steps):
        seen.wait_ready()
        before = curve.get_attribute("d")
        slider.focus()
        began = time.perf_counter()
        seen.page.keyboard.press("ArrowLeft" if step % 2 else "ArrowRight")
        seen.page.wait_for_function(
            "([place, before]) => { const line = document.querySelector(place);"
            " return line && line.getAttribute('d') !== before; }",
            arg=[_CURVE, before],
            timeout=60_000,
        )
        taken.append(time.perf_counter() - began)
    return taken[1:]


def main() -> None:
    """Measure and write `results/clusters_app.json`."""
    quick = arguments(__doc__).parse_args().quick
    visits = 1 if quick else 3
    small = [cold(None) for _ in range(visits)]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "large"
        make_corpus(run, documents=POINTS, clusters=CLUSTERS)
        large = [cold(run) for _ in range(visits)]
    moves = sorted(seconds for _, taken in small for seconds in taken)
    large_moves = [seconds for _, taken in large for seconds in taken]
    result: dict[str, Any] = {
        "server_seconds": _median(small, "server"),
        "cold_numbers_and_table_seconds": _median(small, "table"),
        "cold_map_seconds": _median(small, "map"),
        "first_view_bytes": _median(small, "bytes"),
        "numbers_and_table_100k_seconds": _median(large, "table"),
        "map_100k_seconds": _median(large, "map"),
        "first_view_bytes_100k": _median(large, "bytes"),
        "slider_to_redraw_median_seconds": statistics.median(moves),
        "slider_to_redraw_max_seconds": moves[-1],
        "slider_to_redraw_median_seconds_100k": statistics.median(large_moves),
    } | script_reruns(_APP, 5 if quick else 20)
    note = (
        "Medians of three cold visits in headless Chromium, WebGL in software; the shipped run, and a made one of "
        f"{POINTS:,} documents in {CLUSTERS} clusters."
    )
    publish("clusters_app", result | {"target": _TARGETS, "note": note, "title": "Clusters app"}, quick=quick)


def _median(visits: list[tuple[dict[str, float], list[float]]], name: str) -> float:
    return statistics.median(found[name] for found, _ in visits)


if __name__ == "__main__":
    main()
