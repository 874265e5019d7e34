"""The circuits app: seconds of a warm script run, and of a click to the traced circuit, on the shipped model.

Run on idle cores with `python -m benchmarks.app`. Opening in a browser is measured by the browser tests' page.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from benchmarks.harness import write_result

_APP = Path(__file__).parents[1] / "apps" / "circuits.py"


def _timed(page: AppTest, plies: list[int]) -> list[float]:
    """Seconds of one script run for each move shown; a repeated move needs no new trace."""
    taken = []
    for ply in plies:
        began = time.perf_counter()
        page.slider(key="ply").set_value(ply).run()
        taken.append(time.perf_counter() - began)
    return taken


def main() -> None:
    """Measure and write `results/app.json`."""
    began = time.perf_counter()
    page = AppTest.from_file(str(_APP), default_timeout=120).run()
    cold = time.perf_counter() - began
    if page.exception or page.error:
        raise SystemExit("the app shows an error; nothing was measured")
    fresh = _timed(page, list(range(1, 20)))
    warm = _timed(page, list(range(1, 20)))
    result = {
        "cold_script_seconds": cold,
        "click_to_circuit_median_seconds": statistics.median(fresh),
        "click_to_circuit_max_seconds": max(fresh),
        "warm_run_median_seconds": statistics.median(warm),
        "targets": {"warm_run_median_seconds": 0.3, "click_to_circuit_median_seconds": 0.5},
    }
    write_result("app", result)


if __name__ == "__main__":
    main()
