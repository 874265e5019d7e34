"""A killed run ends with the result of one that was not, and a prolonged one starts before the decay."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from interp.runs import loop
from interp.runs.errors import UserError
from interp.runs.folder import Run
from training.othello.train import OthelloJob, OthelloTraining

SETTINGS = OthelloTraining(steps=20, batch=2)


class Killed(Exception):
    pass


class Dying(OthelloJob):
    def backward(self, step: int) -> dict:
        if step == 7:
            raise Killed
        return super().backward(step)


def run_in(path: Path, job_class: type[OthelloJob], settings: OthelloTraining = SETTINGS) -> OthelloJob:
    job = job_class(settings, torch.device("cpu"))
    run = Run.open(path, config=asdict(settings), seed=settings.seed)
    job.evaluate = lambda: {}  # type: ignore[method-assign]
    loop.fit(job, run, settings.schedule)
    return job


def test_resumed_equals_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    whole = run_in(tmp_path / "whole", OthelloJob)
    with pytest.raises(Killed):
        run_in(tmp_path / "cut", Dying)
    resumed = run_in(tmp_path / "cut", OthelloJob)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_prolonging_starts_before_the_decay(tmp_path: Path) -> None:
    run_in(tmp_path, OthelloJob)
    longer = OthelloTraining(steps=28, batch=2)
    prolonged = run_in(tmp_path, OthelloJob, longer)
    direct = run_in(tmp_path / "direct", OthelloJob, longer)
    for name, weight in direct.model.state_dict().items():
        torch.testing.assert_close(weight, prolonged.model.state_dict()[name])


def test_other_settings_are_refused(tmp_path: Path) -> None:
    Run.open(tmp_path, config={"batch": 2}, seed=1)
    with pytest.raises(UserError, match=r"batch 2 \(now 3\)"):
        Run.open(tmp_path, config={"batch": 3}, seed=1)


def test_an_estimate_is_told_once_from_real_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_in(tmp_path, OthelloJob)
    told = [line for line in capsys.readouterr().err.splitlines() if "steps left" in line]
    (line,) = told
    assert re.search(r": about \d+ s for the 13 steps left, .*; [\d.]+ of [\d.]+ GB of memory$", line)
