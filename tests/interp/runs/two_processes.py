"""A tiny Othello training for `torchrun`: logs the loss of every step, and what each rank may reach."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import PartialState

from interp.runs import loop
from interp.runs.device import resolve
from interp.runs.folder import Run
from training.othello.train import OthelloJob, OthelloTraining

SETTINGS = OthelloTraining(steps=16, batch=4)


def foreign_attempt() -> str:
    """What happens when this process asks for a host beyond this machine."""
    try:
        socket.create_connection(("192.0.2.1", 9), timeout=2)
    except (OSError, RuntimeError) as error:  # as this folder's guard and as pytest-socket refuse
        return str(error)
    return "connected"


def main(out: Path) -> None:
    """Train in `out`; each rank leaves `rank<n>.json`."""
    torch.set_num_threads(1)
    job = OthelloJob(SETTINGS, resolve("cpu"))
    state = PartialState()
    job.evaluate = lambda: {}  # type: ignore[method-assign]
    run = Run.open(out, config=asdict(SETTINGS), seed=SETTINGS.seed, primary=state.is_main_process)
    loop.fit(job, run, SETTINGS.schedule, log_every=1)
    if run.primary:
        run.finish({})
    told = {
        "processes": state.num_processes,
        "foreign": foreign_attempt(),
        "weights": float(sum(weight.double().abs().sum() for weight in job.model.state_dict().values())),
    }
    (out / f"rank{state.process_index}.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
