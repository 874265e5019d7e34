"""The command line as a user meets it: one JSON object, one line of complaint, exit codes."""

from __future__ import annotations

import json

import pytest

from interp.cli.main import main


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("othello", "perft", "--depth", "4", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"counts": [4, 12, 56, 244]}
    assert call("othello", "check", "--moves", "f5 d6 c3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["legal"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("othello", "check", "--moves", "f5 a1"), "a1 at ply 2 is illegal: the legal moves there are f4 d6 f6"),
        (("othello", "check", "--moves", "z9"), "'z9' is no square"),
        (("othello", "perft", "--depth", "x"), "Invalid value for '--depth'"),
        (("othello", "nothing"), "No such command"),
        (("othello", "evaluate", "--model", "absent"), "absent holds no Othello transformer"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and told in captured.err
