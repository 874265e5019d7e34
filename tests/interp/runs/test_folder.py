"""What a manifest says of its command must be typable elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interp.runs.folder import command_line


@pytest.mark.parametrize("program", ["/somewhere/interp/cli/main.py", "/somewhere/bin/interp", "interp"])
def test_the_command_is_interp_with_paths_from_here(program: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program, "othello", "train", "--out", str(tmp_path / "runs" / "a b"), "--model", "/else/m"])
    assert command_line() == "interp othello train --out 'runs/a b' --model /else/m"


def test_other_programs_keep_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/tracing.py", "--quick"])
    assert command_line() == "tracing.py --quick"
