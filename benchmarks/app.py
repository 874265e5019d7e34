"""The circuits app on the shipped model: seconds until a circuit is on screen, from a click to the next one, of a rerun.

Cold: a server that has just begun to answer, a browser that has not seen the page. Clicks are real ones in headless
Chromium, from the click until the page shows the circuit that was asked for. Script seconds are those of Streamlit's
in-process test harness, without network and drawing. Run on idle cores: `python -m benchmarks.app`.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.browser import ROOT, Visit, served, visit
from benchmarks.harness import arguments, publish
from benchmarks.script_reruns import script_reruns

_APP = ROOT / "apps" / "circuits.py"
_CIRCUIT = ".link-graph .node"
_TARGETS = {
    "cold_circuit_seconds": 5.0,
    "script_rerun_median_seconds": 0.3,
    "click_to_circuit_median_seconds": 0.5,
}


def cold() -> dict[str, Any]:
    """A visit to a fresh server: seconds to the circuit and to the end of the script, bytes; then clicks."""
    with served(_APP) as server, visit() as seen:
        began = time.perf_counter()
        seen.page.goto(server.url)
        seen.page.wait_for_selector(_CIRCUIT, timeout=120_000)
        circuit = time.perf_counter() - began
        seen.wait_ready()
        ready = time.perf_counter() - began
        result = {
            "server_seconds": server.seconds,
            "cold_circuit_seconds": circuit,
            "cold_ready_seconds": ready,
            "first_view_bytes": seen.bytes,
        }
        return result | clicks(seen)


def clicks(seen: Visit) -> dict[str, float]:
    """Seconds from a click on a square to its circuit at the same position, and from a played move to the next one."""
    ply = int(seen.page.locator(".game figcaption").inner_text().split()[2])
    # The first click is dropped: it is the browser's first drawing of a changed page.
    squares = ("a1", "h1", "c3", "f6", "b7", "g2", "a5", "e2", "h8", "d7")
    aimed = [_until(seen, f'[aria-label="trace the logit of {name}"]', f'$="logit:{name}@{ply}"') for name in squares][1:]
    played = [_until(seen, ".game .act >> nth=0", f'$="@{ply + number}"') for number in range(1, 11)]
    return {
        "click_to_circuit_median_seconds": statistics.median(aimed),
        "click_to_circuit_max_seconds": max(aimed),
        "move_to_circuit_median_seconds": statistics.median(played),
        "move_to_circuit_max_seconds": max(played),
    }


def _until(seen: Visit, place: str, title: str) -> float:
    """Seconds from a click until the link graph has a title that fits."""
    seen.wait_ready()
    began = time.perf_counter()
    seen.page.locator(place).click()
    seen.page.locator(f".link-graph svg[aria-label{title}]").wait_for(timeout=60_000)
    return time.perf_counter() - began


def main() -> None:
    """Measure and write `results/app.json`."""
    options = arguments(__doc__)
    quick = options.parse_args().quick
    visits = [cold() for _ in range(1 if quick else 3)]
    result: dict[str, Any] = {name: statistics.median(one[name] for one in visits) for name in visits[0]}
    result |= script_reruns(_APP, 5 if quick else 20)
    note = "Medians of three cold visits in headless Chromium; a click is timed until its circuit is on screen."
    publish("app", result | {"target": _TARGETS, "note": note, "title": "Circuits app"}, quick=quick)


if __name__ == "__main__":
    main()
