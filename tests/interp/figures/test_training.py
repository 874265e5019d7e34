"""Intervals of the probe figure are drawn where they are."""

from __future__ import annotations

import pandas as pd
import pytest

from interp.figures.training import probe_accuracy


def test_intervals_become_error_bars() -> None:
    frame = pd.DataFrame(
        {"layer": [1, 0], "accuracy": [0.9, 0.7], "probe": "trained", "low": [0.88, 0.6], "high": [0.93, 0.75]}
    )
    bars = probe_accuracy(frame).data[0].error_y
    assert list(bars.array) == pytest.approx([0.05, 0.03]) and list(bars.arrayminus) == pytest.approx([0.1, 0.02])
    assert probe_accuracy(frame.drop(columns="low")).data[0].error_y.array is None
