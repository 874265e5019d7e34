"""The estimate is the time of the timed steps, times the steps left."""

from __future__ import annotations

import itertools

import pytest

from interp.runs import estimate


def test_time_of_the_steps_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0.0, 15.0)
    monkeypatch.setattr(estimate.time, "monotonic", lambda: next(clock))
    # The clock is read twice, 15 s apart, around 5 steps: 3 s a step, 1207 - 7 steps left.
    estimated = estimate.Estimate(1207)
    told = [estimated.after_step() for _ in range(20)]
    assert [index for index, line in enumerate(told, start=1) if line] == [7]
    assert "about 1 h 00 min for the 1,200 steps left" in str(told[6])


def test_a_short_run_is_not_estimated() -> None:
    estimated = estimate.Estimate(7)
    assert not any(estimated.after_step() for _ in range(7))
