"""`interp moe replay` and `ship`: the tables of the library, and mistakes told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.interp.cli.calling import call
from tests.training.moe.made_records import write_records
from training.moe.record_files import Records
from training.moe.replay import compare
from training.moe.rules import Rules

PLAIN = Rules(k=2, capacity=1.5)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_records(tmp_path, PLAIN)
    return tmp_path


def test_replay_compares_the_four_routers(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "moe", "replay", str(run), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["step"] == 1 and found["layers"] == [0, 1]
    rows = {row["variant"]: row for row in found["table"]}
    assert list(rows) == ["recorded", "plain", "IR", "FR", "FR+IR"]
    both = compare(Records.open(run), [(1, 0), (1, 1)], {"": Rules(2, 1.5, "own", True)}).iloc[0]
    assert rows["FR+IR"]["filled"] == both["filled"] and rows["FR+IR"]["no expert"] == 0
    code, out, _ = call(capsys, "moe", "replay", str(run), "--k", "1", "--capacity", "8", "--step", "0")
    assert code == 0 and "FR+IR" in out


@pytest.mark.parametrize(
    "words, told",
    [
        (["--step", "7"], "no router logits of step 7; accepted are steps that have them: 0, 1"),
        (["--k", "9"], "k 9 is more than the 4 experts"),
        (["--capacity", "0"], "capacity 0.0 is refused"),
    ],
)
def test_mistakes_are_told(run: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "moe", "replay", str(run), *words)
    assert (code, out) == (2, "") and told in err and len(err.strip().splitlines()) == 1


def test_what_are_no_records_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["replay", str(tmp_path)], ["ship", str(tmp_path), "--steps", "1", "--licence", "x", "--about", "y"]):
        code, out, err = call(capsys, "moe", *words)
        assert (code, out) == (2, "") and "no routing records" in err


def test_rules_that_no_router_has_are_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in run.rglob("*.parquet"):
        table = pd.read_parquet(path)
        if "router" in table:
            table.assign(router="soft").to_parquet(path)
    code, out, err = call(capsys, "moe", "replay", str(run))
    assert (code, out) == (2, "") and "router 'soft'" in err and err.count("\n") == 1
