"""Schedules come back from YAML as they were, draw what their maker saw, and refuse another corpus."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.runs.errors import UserError
from tests.training.sampling.made_run import make_run
from training.sampling.lengths import TokenCount
from training.sampling.sampler import ClusterSampler, drawable
from training.sampling.schedule import Schedule, _parsed
from training.sampling.strategies import KINDS, Budget, Strategy

CLIPPED = Schedule(Strategy.named("clusterclip", clip=2), Budget(12), (5, 1, 3))


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(KINDS),
    st.none() | st.floats(0.1, 50),
    st.floats(-1, 2),
    st.sampled_from(["iid", "round_robin"]),
    st.sampled_from(["stop", "random"]),
    st.sampled_from(["draws", "tokens"]),
    st.integers(1, 10**15),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=9),
    st.text(min_size=1, max_size=8),
)
def test_round_trip(
    kind: str, clip: float | None, alpha: float, order: str, then: str, unit: str, amount: int, sizes: list[int], run: str
) -> None:
    strategy, budget = (
        Strategy.named(kind, clip=clip, alpha=alpha, order=order, on_exhausted=then),
        Budget.of(**{"draws": None, "tokens": None, unit: amount}),
    )
    lengths = tuple(1.5 * size for size in sizes) if unit == "tokens" else None
    schedule = Schedule(strategy, budget, tuple(sizes), 3, run, lengths, TokenCount(column="tokens"))
    assert _parsed(yaml.safe_load(schedule.text())) == schedule


def test_the_file_tells_what_to_expect(tmp_path: Path) -> None:
    CLIPPED.write(tmp_path / "schedule.yaml")
    content = yaml.safe_load((tmp_path / "schedule.yaml").read_text())
    assert content["expected"] == [5, 2, 5] and content["clipped"] == [1]
    assert Schedule.read(tmp_path / "schedule.yaml") == CLIPPED


def test_no_clip_is_null(tmp_path: Path) -> None:
    text = Schedule(Strategy.named("uniform"), Budget(12), (5, 1, 3)).text()
    assert yaml.safe_load(text)["strategy"]["clip"] is None
    assert _parsed(yaml.safe_load(text)).strategy.clip == math.inf


def test_going_on_at_random_is_told_and_a_stop_goes_without_saying() -> None:
    goes_on = Schedule(Strategy.named("clusterclip", clip=2, on_exhausted="random"), Budget(27), (5, 1, 3))
    content = yaml.safe_load(goes_on.text())
    assert content["strategy"]["on_exhausted"] == "random" and content["expected"] == [15, 3, 9]
    assert "on_exhausted" not in CLIPPED.text() and _parsed(yaml.safe_load(CLIPPED.text())).strategy.on_exhausted == "stop"


def test_it_draws_as_the_sampler_it_describes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [9, 4, 2], duplicates=3)
    strategy, budget = Strategy.named("clusterclip", clip=2), Budget(60, "tokens")
    schedule = Schedule.of_run(run, strategy, budget, seed=7, tokens=TokenCount(column="tokens"))
    schedule.write(tmp_path / "schedule.yaml")
    lengths = TokenCount(column="tokens").lengths(run)
    direct = ClusterSampler(drawable(run), strategy, budget, lengths=lengths, seed=7)
    assert list(Schedule.read(tmp_path / "schedule.yaml").sampler()) == list(direct)
    assert set(direct) <= set(range(15))
    assert schedule.expected().counts @ np.array(schedule.lengths) == pytest.approx(min(60, 2 * lengths[:15].sum()))


def test_refuses_another_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other clusters"):
        CLIPPED.sampler(make_run(tmp_path, [9, 4]))
    with pytest.raises(UserError, match="names no run"):
        CLIPPED.sampler()


@pytest.mark.parametrize(
    "text, said",
    [
        ("a: [", "cannot be read as a schedule"),
        ("just words", "is no sampling schedule"),
        ("version: 7", "version 7; accepted is 1"),
        ("version: 1", "is no sampling schedule"),
        (CLIPPED.text().replace("clusterclip", "clubs"), "unknown strategy 'clubs'"),
        (CLIPPED.text().replace("iid", "iid, on_exhausted: end"), "unknown on_exhausted 'end'; accepted are stop, random"),
        (CLIPPED.text().replace("draws", "hours"), "is no sampling schedule"),
        (CLIPPED.text().replace("amount: 12", "amount: 0"), "0 draws given"),
    ],
)
def test_refuses_what_is_no_schedule(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "schedule.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        Schedule.read(tmp_path / "schedule.yaml")
    with pytest.raises(UserError, match="cannot be read as a schedule"):
        Schedule.read(tmp_path / "absent.yaml")
