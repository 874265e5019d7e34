"""The command line in this process, with what it prints."""

from __future__ import annotations

import pytest

from interp.cli.main import main


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `interp` with these words."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err
