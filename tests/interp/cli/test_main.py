"""The command line as a user meets it: one JSON object, one line of complaint, exit codes, a quick --help."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_group

from interp.cli.main import main
from interp.cli.output import emit


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
        (("othello", "perft", "--depth", "0"), "Invalid value for '--depth'"),
        (("othello", "check"), "Missing option '--moves'"),
        (("othello", "perft", "--nothing"), "No such option"),
        (("othello", "nothing"), "No such command"),
        (("nothing",), "No such command 'nothing'"),
        (("othello", "evaluate", "--model", "absent"), "absent holds no Othello transformer"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and told in captured.err


def test_version_names_what_decides_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:3] == ["interp", "python", "torch"]


def test_numbers_that_json_lacks_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"a": float("nan"), "b": [1.5, float("inf")]}, as_json=True, text="")
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None]}


def test_help_lists_groups_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from interp.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([name for name in sys.modules if name in ('torch', 'numpy', 'pandas')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
    assert all(group in shown for group in ("models", "othello"))


@pytest.mark.parametrize("group", ["models", "othello", "dictionaries", "circuits"])
def test_every_verb_can_print_json(group: str) -> None:
    verbs = get_group(import_module(f"interp.cli.{group}").app).commands
    assert verbs and not [name for name, verb in verbs.items() if "--json" not in {o for p in verb.params for o in p.opts}]
