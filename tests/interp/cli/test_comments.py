"""`interp comments add` and `strip`: the script contract, diffs, files written, refusals in one sentence."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.interp.cli.calling import call
from tests.training.comments.small_model import saved


def test_the_script_contract_of_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text("def add(a, b):\n    c = a + b\n    return c\n")
    code, out, err = call(
        capsys, "comments", "add", str(file), "--model", saved(tmp_path / "m"), "--device", "cpu", "--json"
    )
    found = json.loads(out)
    assert code == 0 and err.count("\n") == 1
    assert {"accepted", "reason", "density_before", "density_after", "code", "p_end", "inserted", "dropped"} <= found.keys()
    assert found["accepted"] == (found["reason"] is None) and (found["accepted"] or found["code"] == file.read_text())


def test_an_unreadable_file_has_a_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.c"
    file.write_bytes(b"\x00")
    code, out, err = call(capsys, "comments", "add", str(file), "--json")
    found = json.loads(out)
    assert code == 0 and found["reason"] == "unreadable" and "binary" in found["detail"] and "binary" in err
    assert not found["accepted"] and {"density_before", "density_after", "code"} <= found.keys()


def test_strip_prints_a_diff_and_writes_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out_file = tmp_path / "a.py", tmp_path / "b.py"
    file.write_bytes(b"\xef\xbb\xbf# a\r\nx = 1  # b\r\n")
    code, out, _ = call(capsys, "comments", "strip", str(file), "--out", str(out_file), "--diff")
    assert code == 0 and "-# a" in out and "+x = 1" in out and out_file.read_bytes() == b"\xef\xbb\xbfx = 1\r\n"
    code, out, _ = call(capsys, "comments", "strip", str(file), "--json")
    assert json.loads(out) == {"language": "Python", "removed": 2, "code": "x = 1\r\n"}


def test_a_diff_can_be_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("a.py")
    file.write_text("# first\nx = 1  # second\n\n\ny = 2\nz = 3  # no line end")
    _, patch, _ = call(capsys, "comments", "strip", str(file), "--diff")
    _, same, _ = call(capsys, "comments", "strip", str(file.absolute()), "--diff")
    assert same.splitlines()[0] == f"--- a{tmp_path}/a.py"
    subprocess.run(["git", "apply"], input=patch, text=True, check=True)
    assert file.read_text() == "x = 1\n\n\ny = 2\nz = 3"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", "absent.py"], "there is no file or folder absent.py"),
        (["add", "tests"], "give --out"),
        (["add", "README.md"], "is in no language that we know; comments are written and stripped in Python"),
        (["strip", "README.md", "--language", "Go"], "language 'Go'; comments are written"),
        (["density", "absent"], "there is no file or folder absent"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "comments", *words)
    assert code == 2 and told in err and err.count("\n") == 1


def test_what_cannot_be_read_in_one_way_is_not_stripped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.js"
    file.write_text("x = `a\n")
    code, _, err = call(capsys, "comments", "strip", str(file))
    assert code == 2 and "is left as it is: a template is not closed, line 1" in err and err.count("\n") == 1
