"""How long an app's script takes to run again when nothing has changed: what every click costs at the least."""

from __future__ import annotations

import statistics
import time
from pathlib import Path


def script_reruns(app: Path, runs: int) -> dict[str, float]:
    """Median and 95th percentile in seconds, in process; the first of `runs + 1` is dropped."""
    from streamlit.testing.v1 import AppTest

    page = AppTest.from_file(str(app), default_timeout=120).run()
    if page.exception or page.error:
        raise SystemExit(f"the app shows an error: {(page.exception or page.error)[0].value}")
    taken = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        page.run()
        taken.append(time.perf_counter() - began)
    warm = sorted(taken[1:])
    return {
        "script_rerun_median_seconds": statistics.median(warm),
        "script_rerun_p95_seconds": warm[min(int(0.95 * len(warm)), len(warm) - 1)],
    }
