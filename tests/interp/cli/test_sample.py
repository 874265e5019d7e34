"""`interp sample`: planning from sizes, drawing and exporting from a prepared corpus, schedules between them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.interp.cli.calling import call
from tests.training.sampling.made_run import make_run
from training.sampling.strategies import KINDS

SIZES = [40, 25, 9, 3, 1]


@pytest.fixture
def run(tmp_path: Path) -> str:
    return str(make_run(tmp_path / "run", SIZES, duplicates=4).path)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, err = call(capsys, "sample", *words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_the_script_contract(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "plan", "--sizes", "5,1,3", "--draws", "12", "--strategy", "clusterclip", "--clip", "2")
    assert found["expected"] == pytest.approx([5, 2, 5]) and found["clipped"] == [1]
    assert found["clip_times"] == pytest.approx([18, 6, 14]) and found["lambda"] == pytest.approx(5)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_what_was_planned(kind: str, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    rule = ["--strategy", kind, "--draws", "120", *(["--clip", "2"] if kind not in ("random", "uniform") else [])]
    planned = asked(capsys, "plan", run, *rule)
    found = asked(capsys, "draw", run, *rule, "--seed", "3", "--order", "round_robin")
    assert found["counts"] == pytest.approx(planned["expected"], abs=2)
    assert sum(found["counts"]) == found["draws"] == 120 and found["expected"] == planned["expected"]
    assert kind == "uniform" or found["max_repeats"] <= 2
    assert found == asked(capsys, "draw", run, *rule, "--seed", "3", "--order", "round_robin") | {
        "seconds": found["seconds"]
    }


def test_a_budget_beyond_the_clips_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "sample", "plan", "--sizes", "5,1,3", "--draws", "27", "--clip", "2", "--json")
    assert code == 0 and json.loads(out)["expected"] == pytest.approx([10, 2, 6])
    assert "all clusters are knocked out after 18 draws, within the 27 draws asked for" in err
    code, out, err = call(capsys, "sample", "plan", "--sizes", "5,1,3", "--draws", "17", "--clip", "2", "--json")
    assert code == 0 and json.loads(out)["clipped"] == [1, 2] and not err


def test_draws_go_on_at_random_if_asked_to(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule, file = ["--clip", "2", "--draws", str(3 * sum(SIZES)), "--on-exhausted", "random"], str(tmp_path / "s.yaml")
    code, out, err = call(capsys, "sample", "plan", run, *rule, "--out", file, "--json")
    assert code == 0 and json.loads(out)["expected"] == pytest.approx([3 * size for size in SIZES])
    assert "knocked out after 156 draws, within the 234 draws asked for; what is left is drawn at random" in err
    drawn = asked(capsys, "draw", run, *rule)
    assert drawn["counts"] == [3 * size for size in SIZES] and drawn["max_repeats"] == 3
    assert drawn["strategy"]["on_exhausted"] == "random"
    exported = asked(capsys, "export", run, "--schedule", file, "--out", str(tmp_path / "x.jsonl"))
    assert (exported["draws"], exported["max_repeats"]) == (234, 3)
    code, _, err = call(capsys, "sample", "draw", run, "--schedule", file, "--on-exhausted", "stop")
    assert code == 2 and "--on-exhausted beside --schedule" in err


def test_a_clip_below_one_draw_leaves_a_cluster_out(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--sizes", "6,1", "--clip", "0.5", "--json", "--draws"]
    assert call(capsys, "sample", *words, "2")[2] == ""
    code, out, err = call(capsys, "sample", *words, "9")
    assert code == 0 and json.loads(out)["expected"] == [3, 0] and "all clusters are knocked out after 3 draws" in err


def test_no_budget_is_more_than_the_clips_allow(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "draw", run, "--clip", "2", "--draws", "1000")
    assert found["counts"] == [2 * size for size in SIZES] and found["clipped"] == [0, 1, 2, 3, 4]
    assert (found["max_repeats"], found["documents"]) == (2, 78)


def test_a_schedule_goes_from_plan_to_draw_and_export(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = str(tmp_path / "schedule.yaml"), tmp_path / "resampled.jsonl"
    rule = ["--clip", "2", "--tokens", "100", "--token-column", "tokens", "--seed", "5"]
    planned = asked(capsys, "plan", run, *rule, "--out", file)
    assert yaml.safe_load(Path(file).read_text())["budget"] == {"amount": 100, "unit": "tokens"}
    drawn = asked(capsys, "draw", run, "--schedule", file, "--out", str(tmp_path / "draws.parquet"))
    assert drawn["counts"] == asked(capsys, "draw", run, *rule)["counts"]
    assert drawn["budget"] == planned["budget"] and drawn["seed"] == 5
    table = pd.read_parquet(tmp_path / "draws.parquet")
    assert table.groupby("cluster").draws.sum().tolist() == drawn["counts"]
    exported = asked(capsys, "export", run, "--schedule", file, "--out", str(out))
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == exported["draws"] == drawn["draws"]
    assert 100 <= sum(row["tokens"] for row in rows) < 104
    code, _, err = call(capsys, "sample", "draw", run, "--schedule", file, "--clip", "3")
    assert code == 2 and "--clip beside --schedule" in err


def test_people_get_tables(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "sample", "plan", run, "--clip", "2", "--draws", "60")
    assert code == 0 and "of 5 clusters are knocked out within 60 draws" in out
    code, out, _ = call(capsys, "sample", "draw", run, "--clip", "2", "--draws", "60")
    assert code == 0 and "60 draws of" in out
    code, out, _ = call(capsys, "sample", "export", run, "--draws", "60", "--out", str(tmp_path / "x.parquet"))
    assert code == 0 and "60 documents" in out


def test_a_clip_without_effect_is_told(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "sample", "draw", run, "--strategy", "uniform", "--clip", "2", "--draws", "60", "--json")
    assert code == 0 and "'uniform' has no clip, so --clip 2.0" in err and json.loads(out)["strategy"]["clip"] is None
    code, _, err = call(capsys, "sample", "draw", run, "--strategy", "random", "--on-exhausted", "random", "--draws", "9")
    assert code == 0 and "'random' has no clip, so --on-exhausted random does nothing" in err


@pytest.mark.parametrize(
    "words, said",
    [
        (["plan", "--draws", "3"], "clusters are given nowhere"),
        (["plan", "RUN", "--sizes", "1,2", "--draws", "3"], "clusters are given twice"),
        (["plan", "--sizes", "5,x", "--draws", "3"], "'5,x' is no list of numbers"),
        (["plan", "--sizes", "5,1"], "no budget given"),
        (["plan", "--sizes", "5,1", "--draws", "3", "--tokens", "4"], "3 draws and 4 tokens given"),
        (["plan", "--sizes", "5,1", "--tokens", "4"], "needs the mean tokens"),
        (["plan", "--sizes", "5,1", "--tokens", "4", "--lengths", "4"], "--lengths has 1 numbers for the 2"),
        (["plan", "--sizes", "5,1,3", "--tokens", "10", "--lengths", "0,0,0"], "mean tokens [0.0, 0.0, 0.0] are refused"),
        (["choose", "RUN", "--clusters", "2"], "holds embeddings of 0 of "),
        (["plan", "--sizes", "5,1", "--draws", "3", "--clip", "-1"], "clip -1.0 is refused"),
        (["draw", "RUN", "--draws", "9", "--strategy", "best"], "unknown strategy 'best'"),
        (["plan", "--sizes", "5,1", "--draws", "3", "--on-exhausted", "end"], "unknown on_exhausted 'end'"),
        (["draw", "absent", "--draws", "9"], "absent is no run folder"),
        (["export", "RUN", "--draws", "9", "--out", "some.csv"], "accepted endings are"),
        (["export", "RUN", "--out", "some.csv", "--schedule", "absent.yaml"], "cannot be read as a schedule"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "sample", *[run if word == "RUN" else word for word in words])
    assert (code, out) == (2, "") and said in err and err.count("\n") == 1


def test_planning_from_sizes_needs_no_torch() -> None:
    words = ["sample", "plan", "--sizes", "5,1,3", "--draws", "12"]
    code = (
        f"import sys; from interp.cli.main import main\ntry: main({words})\nexcept SystemExit: print('torch' in sys.modules)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert child.stdout.strip().splitlines()[-1] == "False", child.stderr
