"""The one training loop: resumable after a kill at any moment, the same on one process and on many.

A `Job` owns a module, its optimizers and its data; the loop owns time: the learning-rate schedule, checkpoints,
metrics and progress. Data is a function of the step number, so nothing of it needs saving. Gradients are averaged
over processes explicitly (`interp.runs.processes`), because dictionary jobs compute theirs in closed form, outside
autograd. Start several processes with `torchrun --nproc-per-node N -m interp.cli ...` (gloo on CPU, nccl on GPU);
`interp.runs.device.resolve` joins them, so a job's device comes from there.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Set
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import safe_open
from torch import Tensor, nn

from interp.runs.atomic import write_tensors
from interp.runs.estimate import Estimate
from interp.runs.folder import Run
from interp.runs.processes import agreed, average_gradients, sum_over_processes
from interp.runs.progress import Progress
from interp.runs.schedule import Schedule
from interp.runs.state import load_state, state_of

CHECKPOINT_SECONDS = 60.0


class Job(ABC):
    """What is trained."""

    module: nn.Module
    """Everything with state: parameters, and buffers for whatever else must survive a kill."""
    optimizers: list[torch.optim.Optimizer]
    """Each with its peak learning rate."""
    sharded: Set[str] = frozenset()
    """Names of the parameters of which every process holds its own rows."""
    unit: str = "tokens"
    units_per_step: int
    """Over all processes."""

    def begin(self, step: int) -> None:  # noqa: B027 - most jobs need nothing here
        """Called before `step`, the first one that is taken now (to drop what was written of it and of later ones)."""

    @abstractmethod
    def backward(self, step: int) -> dict[str, float | Tensor]:
        """Compute this process's share of the loss at `step` and set every parameter's gradient; return metrics."""

    def after_step(self, step: int) -> None:  # noqa: B027 - most jobs need nothing here
        """Called when the parameters have been updated (to renormalise, count, ...)."""

    def evaluate(self) -> dict[str, Any]:
        """Metrics on held-out data."""
        return {}


def fit(job: Job, run: Run, schedule: Schedule, *, log_every: int = 20, evaluate_every: int = 0) -> dict[str, Any]:
    """Train `job` to the schedule's end, from the run's checkpoint if there is one; return the last evaluation."""
    for optimizer in job.optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    start = _resume(job, run, schedule)
    job.begin(start)
    done, total = start * job.units_per_step, schedule.steps * job.units_per_step
    saved, estimate = time.monotonic(), Estimate(schedule.steps - start)
    with Progress(total, unit=job.unit, label=run.path.name, start=done, enabled=run.primary) as progress:
        for step in range(start, schedule.steps):
            if step == schedule.decay_start and step > 0:
                _save(job, run, step, schedule, stable=True)
            metrics = _step(job, step, schedule)
            if step % log_every == 0:
                run.log(step, _averaged(metrics))
            if evaluate_every and (step + 1) % evaluate_every == 0 and step + 1 < schedule.steps:
                run.log(step, job.evaluate())
            if _is_due(job, saved):
                _save(job, run, step + 1, schedule)
                saved = time.monotonic()
            progress.advance(job.units_per_step, f"loss {float(metrics['loss']):.4f}")
            if told := estimate.after_step():
                progress.say(told)
    _save(job, run, schedule.steps, schedule)
    return job.evaluate()


def _step(job: Job, step: int, schedule: Schedule) -> dict[str, float | Tensor]:
    for optimizer in job.optimizers:
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * schedule.factor(step)
    metrics = job.backward(step)
    average_gradients(job.module, job.sharded)
    for optimizer in job.optimizers:
        optimizer.step()
    job.after_step(step)
    return metrics


def _averaged(metrics: dict[str, float | Tensor]) -> dict[str, float]:
    """Metrics averaged over processes, each of which saw its share of the data."""
    own = torch.tensor([float(value) for value in metrics.values()], dtype=torch.float64)
    return dict(zip(metrics, (sum_over_processes(own) / PartialState().num_processes).tolist(), strict=True))


def _is_due(job: Job, saved: float) -> bool:
    """Whether it is time for a checkpoint; processes that have to save together go by the first one's clock."""
    due = time.monotonic() - saved > CHECKPOINT_SECONDS
    return agreed(due) if job.sharded else due


def _save(job: Job, run: Run, step: int, schedule: Schedule, *, stable: bool = False) -> None:
    if not (run.primary or job.sharded):
        return
    tensors = state_of(job)
    if run.primary:
        path = run.stable_checkpoint if stable else run.checkpoint
        progress = {"step": step, "steps": schedule.steps, "decay_start": schedule.decay_start}
        write_tensors(path, tensors, {"progress": json.dumps(progress)})


def _progress_of(checkpoint: Path) -> dict[str, int]:
    with safe_open(checkpoint, framework="pt") as file:
        return json.loads(file.metadata()["progress"])


def _resume(job: Job, run: Run, schedule: Schedule) -> int:
    """Load the newest state that lies before a decay, or in the decay of this very schedule; return its step."""
    if not run.checkpoint.exists():
        return 0
    path, progress = run.checkpoint, _progress_of(run.checkpoint)
    if progress["steps"] != schedule.steps and progress["step"] > progress["decay_start"]:
        path, progress = run.stable_checkpoint, _progress_of(run.stable_checkpoint)
    load_state(job, path)
    run.forget_after(progress["step"] - 1)
    return progress["step"]
