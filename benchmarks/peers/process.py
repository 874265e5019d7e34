"""A peer library in an environment of its own, and a process there that measures on request.

Libraries of the field pin versions that do not install beside ours, so each gets a virtual environment below `build/`,
made once. Its process speaks JSON lines and waits between requests, so that both sides can be measured in turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

BUILD = Path(__file__).parents[2] / "build"


def environment(name: str, requirement: str) -> Path:
    """Python of the environment `build/<name>-venv` with `requirement` and our version of torch; made if absent."""
    folder = BUILD / f"{name}-venv"
    python, stamp = folder / "bin" / "python", folder / f"{requirement}.installed"
    if not stamp.exists():
        torch_first = f"torch=={torch.__version__.split('+')[0]}"
        try:
            _call(sys.executable, "-m", "venv", folder)
            _call(python, "-m", "pip", "install", "-q", torch_first)
            _call(Path(sys.executable).parent / "uv", "pip", "install", "-q", "--python", python, requirement)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"{requirement} could not be installed in an environment of its own: {error}") from None
        stamp.touch()
    return python


def _call(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True)


class Peer:
    """A running peer; `about` is the line that it greets with."""

    def __init__(self, python: Path, script: Path, argument: dict[str, Any]) -> None:
        command = [str(python), str(script), json.dumps(argument)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.about: dict[str, Any] = self._answer()

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request. Raises RuntimeError if the process has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with code {self._process.wait()}: {self._process.args!r}")
        return json.loads(line)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()
