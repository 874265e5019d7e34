"""`interp heads icl` and `emergence`, `interp lm`: on a tiny run of our own, and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interp.cli.calling import call

pytestmark = pytest.mark.slow


def test_a_run_is_trained_and_its_checkpoint_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.jsonl"
    lines = [
        f'{{"text": "{" ".join(f"Boat {n + i} of harbour {n} left at {i % 7}." for i in range(90))}"}}' for n in range(150)
    ]
    text.write_text("\n".join(lines))
    small = ["--layers", "2", "--d-model", "16", "--heads", "2", "--text", str(text), "--steps", "10"]
    code, out, err = call(capsys, "lm", "train", "--out", str(tmp_path / "run"), *small, "--device", "cpu", "--json")
    assert code == 0, err
    assert json.loads(out).keys() == {"text_loss", "world_loss", "demonstration_loss", "echo_loss"}
    model = str(tmp_path / "run" / "checkpoints" / "step_000010")
    asked = ["--tasks", "four-class", "--shots", "0,3", "--prompts", "4", "--text", str(text), "--device", "cpu"]
    code, out, err = call(capsys, "heads", "icl", "--model", model, *asked, "--json")
    assert code == 0, err
    rows = json.loads(out)["levels"]
    assert {(row["task"], row["shots"]) for row in rows} == {
        ("(50, 50)", 0),
        ("(50, 450)", 0),
        ("four-class", 0),
        ("four-class", 3),
    }
    for words, told in (
        (["heads", "icl", "--model", model, "--tasks", "ten-class", "--text", str(text)], "there is no task 'ten-class'"),
        (["heads", "icl", "--model", model, "--shots", "a"], "'a' is no list of numbers"),
        (["heads", "emergence", str(tmp_path)], "holds no checkpoints"),
        (["heads", "emergence", "owner/name", "--revisions", "main"], "revision 'main' says no step"),
        (["lm", "ship", str(tmp_path / "run")], "is not measured"),
    ):
        code, _, err = call(capsys, *words)
        assert code == 2 and told in err and err.count("\n") == 1
