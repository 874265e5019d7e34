"""`interp moe route`: the script contract on the worked example, and mistakes told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.interp.cli.calling import call
from tests.training.moe.test_plan import EXAMPLE

KEPT = [[0, 0, 0], [0, 3, 2], [1, 0, 3], [1, 2, 1]]
DROPPED = [[0, 1, 0], [0, 2, 0], [1, 1, 3], [1, 3, 3]]


@pytest.fixture
def file(tmp_path: Path) -> str:
    return written(tmp_path, {"probabilities": EXAMPLE.tolist(), "experts_per_rank": 2})


def written(folder: Path, value: Any) -> str:
    (folder / "asked.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return str(folder / "asked.json")


@pytest.mark.parametrize(
    "fill, filled, padding, rectified",
    [
        ("off", [], [[0, 1, 1], [0, 3, 1], [1, 0, 1], [1, 2, 1]], DROPPED),
        ("own", [[0, 2, 1], [1, 1, 2], [1, 3, 0]], [[0, 3, 1]], [[0, 1, 0]]),
        ("top1", [[0, 3, 1], [1, 0, 2], [1, 3, 0]], [[0, 3, 1]], [[0, 1, 0], [0, 2, 0], [1, 1, 3]]),
    ],
)
@pytest.mark.parametrize("rectify", ["on", "off"])
def test_the_script_contract(
    file: str, fill: str, filled: list[Any], padding: list[Any], rectified: list[Any], rectify: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["moe", "route", file, "--k", "1", "--capacity", "1.0", "--fill", fill, "--rectify", rectify]
    code, out, err = call(capsys, *words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["kept"] == KEPT and found["dropped"] == DROPPED and found["filled"] == filled
    assert found["padding"] == padding and found["rectified"] == (rectified if rectify == "on" else [])
    code, out, _ = call(capsys, *words)
    assert code == 0 and "1 slots for each expert on each of 2 ranks; 50.0% of choices dropped" in out


@pytest.mark.parametrize(
    "value, words, told",
    [
        ("{", [], "is no JSON; accepted is"),
        ([1], [], "lacks probabilities or experts_per_rank"),
        ({"probabilities": [[[0.5, 0.5]]]}, [], "lacks probabilities or experts_per_rank"),
        ({"probabilities": [[[0.5, "a"]]], "experts_per_rank": 2}, [], "are no box of numbers"),
        ({"probabilities": [[[0.5, 0.5], [1.0]]], "experts_per_rank": 2}, [], "are no box of numbers"),
        ({"probabilities": [[0.5, 0.5]], "experts_per_rank": 2}, [], "have shape [1, 2]"),
        ({"probabilities": [[[0.5, 0.3, 0.2]]] * 2, "experts_per_rank": 2}, [], "3 experts in"),
        ({"probabilities": [[[0.5, 0.5]]], "experts_per_rank": 0}, [], "experts_per_rank 0 in"),
        ('{"probabilities": [[[NaN, 0.5]]], "experts_per_rank": 2}', [], "score nan of rank 0, token 0, expert 0"),
        ({"probabilities": [[[0.5, -0.5]]], "experts_per_rank": 2}, [], "score -0.5 of rank 0, token 0, expert 1"),
        (None, ["--k", "5"], "k 5 is more than the 4 experts there are"),
        (None, ["--k", "0"], "k 0 is refused"),
        (None, ["--capacity", "0"], "capacity 0.0 is refused"),
        (None, ["--fill", "both"], "fill 'both' is unknown; accepted are off, own, top1"),
        (None, ["--rectify", "yes"], "rectify 'yes' is unknown; accepted are on, off"),
    ],
)
def test_mistakes_are_one_sentence(
    value: Any, words: list[str], told: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = file if value is None else written(tmp_path, value)
    code, out, err = call(capsys, "moe", "route", path, *words, "--json")
    assert code == 2 and not out and told in err and err.count("\n") == 1


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "moe", "route", str(tmp_path / "absent.json"))
    assert code == 2 and "absent.json cannot be read (No such file or directory)" in err
