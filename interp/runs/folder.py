"""Run folders: what a long job was asked, how it goes, and what came out.

    runs/<name>/manifest.json            config, seed, command, versions, git revision, status, results
    runs/<name>/metrics.jsonl            one JSON object a line, each with its `step`
    runs/<name>/checkpoint.safetensors   the newest state, replaced atomically
    runs/<name>/.lock                    whose folder it is now
"""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from interp.runs.atomic import write_json, write_text
from interp.runs.errors import UserError
from interp.runs.lock import acquire, release

_PROLONGABLE = {"steps"}
_ORIGIN = ("config", "seed", "command", "started", "finished", "versions", "git_revision")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide a numeric result."""
    found = {"python": platform.python_version()}
    for package in ("torch", "numpy", "numba", "safetensors", "accelerate", "transformers", "transformer-lens"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_revision() -> str | None:
    """Commit of the code that runs, with `+` if the tree has changes; None outside a checkout."""
    root = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def about(seed: int | None) -> dict[str, Any]:
    """What is needed to take a measurement again that this process has just taken."""
    return {
        "command": command_line(),
        "seed": seed,
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_revision": git_revision(),
        "versions": versions(),
    }


def command_line() -> str:
    """The command that runs now, as a user would type it in this folder: `interp` however it was started, short paths."""
    program = Path(sys.argv[0])
    name = "interp" if program.parts[-3:-1] == ("interp", "cli") else program.name
    return shlex.join([name, *(from_here(word) for word in sys.argv[1:])])


def from_here(word: str) -> str:
    """An absolute path below the current folder as a relative one; every other word as it is."""
    here = Path.cwd()
    return str(Path(word).relative_to(here)) if word.startswith(f"{here}/") else word


@dataclass
class Run:
    """One run folder. `primary` is false on all but one process of a distributed run; only that one writes."""

    path: Path
    manifest: dict[str, Any]
    primary: bool = True

    @classmethod
    def open(cls, path: Path, *, config: dict[str, Any], seed: int, primary: bool = True) -> Run:
        """Start a run at `path`, or take up the one that is there.

        Raises UserError if another process is at work there, or the folder holds a run of another config or seed (its
        length may differ: a longer run goes on from the state before the decay). The folder is this process's until
        `finish`, or until the process ends.
        """
        existing = path / "manifest.json"
        if existing.exists():
            run = cls(path, read_manifest(path), primary)
            run._refuse_other(config, seed)
            run.manifest |= {"config": config, "command": command_line()}
        else:
            started = datetime.now(UTC).isoformat(timespec="seconds")
            run = cls(path, {"config": config, "seed": seed, "command": command_line(), "started": started}, primary)
        if primary:
            acquire(path)
        run.manifest |= {"versions": versions(), "git_revision": git_revision(), "status": "running"}
        run._write()
        return run

    def _refuse_other(self, config: dict[str, Any], seed: int) -> None:
        before = {**self.manifest["config"], "seed": self.manifest["seed"]}
        now = json.loads(json.dumps({**config, "seed": seed}))
        changed = sorted(
            key for key in before.keys() | now.keys() if before.get(key) != now.get(key) and key not in _PROLONGABLE
        )
        if changed:
            was = ", ".join(f"{key} {before.get(key)} (now {now.get(key)})" for key in changed)
            raise UserError(f"{self.path} holds a run with other settings: {was}; take the same or another --out")

    @property
    def checkpoint(self) -> Path:
        """The newest state."""
        return self.path / "checkpoint.safetensors"

    @property
    def stable_checkpoint(self) -> Path:
        """The state just before the learning rate decays, from which the run can be prolonged."""
        return self.path / "before_decay.safetensors"

    def log(self, step: int, metrics: dict[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        if self.primary:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **metrics}) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that a resumed run will take again."""
        path = self.path / "metrics.jsonl"
        if self.primary and path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
            write_text(path, "".join(f"{line}\n" for line in kept))

    def finish(self, results: dict[str, Any]) -> None:
        """Mark the run as complete with its final results."""
        self.manifest |= {"status": "complete", "results": results}
        self.manifest["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        self._write()
        if self.primary:
            release(self.path)

    def _write(self) -> None:
        if self.primary:
            write_json(self.path / "manifest.json", self.manifest)


def _step_of(line: str) -> int:
    """Step of a metrics line; a line cut off by a kill counts as beyond every step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return sys.maxsize


def read_manifest(path: Path) -> dict[str, Any]:
    """Manifest of the run at `path`. Raises UserError where there is none."""
    try:
        return json.loads((path / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no run folder: its manifest.json cannot be read ({error})") from None


def finished_manifest(path: Path) -> dict[str, Any]:
    """Manifest of a finished run. Raises UserError where there is none, or the run goes on."""
    manifest = read_manifest(path)
    if manifest.get("status") != "complete":
        raise UserError(f"{path} is not finished: its status is '{manifest.get('status')}', shipped are complete runs")
    return manifest


def read_finished(path: Path, job: str) -> dict[str, Any]:
    """Manifest of the finished run at `path` of the verb `interp <job>`, whose config names its `job`.

    Raises UserError if there is no run, it is another job's, or it has not finished.
    """
    manifest = read_manifest(path)
    if manifest.get("config", {}).get("job") != job:
        raise UserError(f"{path} holds a run of another kind; accepted are folders that `interp {job}` made")
    if manifest.get("status") != "complete":
        raise UserError(f"{path} is not finished; the same `interp {job}` again completes it")
    return manifest


def origin(manifest: dict[str, Any]) -> dict[str, Any]:
    """The part of a run's manifest that says how its results came about, to lie beside them wherever they go."""
    return {key: manifest[key] for key in _ORIGIN if key in manifest}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Lines of the metrics of the run at `path`, without one cut off by a kill."""
    file = path / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines if _step_of(line) < sys.maxsize]
