"""Sums hold in recorded and replayed plans, and each breaks where a row is lost, doubled or moved."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.training.moe.made_records import made_logits, made_tokens, write_records
from training.moe.baselines import ROUTERS
from training.moe.identities import identities, recorded_identities, replayed_identities
from training.moe.plan import Request
from training.moe.record_files import Records, write_json_lines
from training.moe.records import RecordWriter, Routed
from training.moe.replay import replay
from training.moe.rules import Rules

BOTH = Rules(k=2, capacity=1.5, fill="own", rectify=True)
CHOICES, SLOTS, IN_SLOTS, PAIRS, STAND_INS = range(5)


@pytest.mark.parametrize("rules", [BOTH, Rules(k=1, capacity=0.5, fill="top1"), Rules(k=2, capacity=math.inf)])
def test_they_hold_in_records_and_replays(tmp_path: Path, rules: Rules) -> None:
    write_records(tmp_path, rules)
    records = Records.open(tmp_path)
    found = recorded_identities(records, 1)
    assert all(one.holds is True for one in found) and len(found) == 5
    assert found[CHOICES].told == f"{64 * rules.k} kept + dropped = 64 tokens x k"
    for other in (None, Rules(k=3, capacity=2.0, rectify=True), Rules(k=1)):
        again = replayed_identities(replay(records, 1, 0, other), 1, 0)
        assert [one.holds for one in again] == [True] * 5


@pytest.mark.parametrize("router, known", [("expert choice", None), ("BASE", True)])
def test_of_other_routers(tmp_path: Path, router: str, known: bool | None) -> None:
    logits, writer = made_logits(2, 16, 4), RecordWriter(tmp_path)
    plan = ROUTERS[router](Request.softmax(logits), Rules(k=1))
    writer.add(0, 0, made_tokens(), Routed(plan, logits, router=router))
    writer.flush()
    found = recorded_identities(Records.open(tmp_path), 0)
    assert found[CHOICES].holds is known and all(one.holds for one in found[1:])


def without_a_token(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["sequence"] != 0) | (frame["position"] != 0)]


def moved(frame: pd.DataFrame, which: str, column: str, value: int) -> pd.DataFrame:
    """With the first row of a kind changed."""
    frame.loc[frame.index[frame[which]][0], column] += value
    return frame


@pytest.mark.parametrize("change, broken", [
    (lambda frame: frame[~frame["kept"]], {CHOICES}),
    (lambda frame: frame.drop(frame.index[frame["kept"]][0]), {CHOICES}),
    (lambda frame: frame.drop(frame.index[~(frame["kept"] | frame["filled"] | frame["rectified"])][0]), {CHOICES}),
    (without_a_token, {CHOICES}),
    (lambda frame: pd.concat([frame, frame[frame["filled"]][:1]]), {IN_SLOTS, PAIRS}),
    (lambda frame: pd.concat([frame, frame[frame["rectified"]][:1]]), {STAND_INS}),
    (lambda frame: moved(frame, "rectified", "rank", 1), {STAND_INS}),
    (lambda frame: moved(frame, "filled", "slot", 99), {IN_SLOTS}),
])  # fmt: skip
def test_each_breaks(tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], broken: set[int]) -> None:
    write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    found = identities(records.passes.loc[0], change(records.routes(0)), records.tokens_read(0))
    assert {place for place, one in enumerate(found) if not one.holds} == broken


def test_slots_are_those_of_the_capacity(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    passes = records.passes.loc[0].assign(slots=lambda frame: frame["slots"] + 1)
    found = identities(passes, records.routes(0), records.tokens_read(0))
    assert [one.holds for one in found] == [True, False, True, True, True]


def test_what_is_unknown_is_not_said_to_hold(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    write_json_lines(tmp_path / "a.jsonl", records.routes(0).drop(columns="slot"))
    found = recorded_identities(Records.open(tmp_path / "a.jsonl"), 0)
    assert [one.holds for one in found] == [None, None, None, True, True]
    write_json_lines(tmp_path / "loads.jsonl", records.seen.reset_index())
    assert recorded_identities(Records.open(tmp_path / "loads.jsonl"), 0) == []
