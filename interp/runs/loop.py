"""The one training loop: resumable after a kill at any moment, the same on one process and on many.

A `Job` owns a module, its optimizers and its data; the loop owns time: the learning-rate schedule, checkpoints,
metrics and progress. Data is a function of the step number, so nothing of it needs saving. Gradients are averaged
over processes explicitly, in one flat all-reduce, because dictionary jobs compute theirs in closed form, outside
autograd. Start several processes with `torchrun --nproc-per-node N -m interp.cli ...` (gloo on CPU, nccl on GPU);
`interp.runs.device.resolve` joins them, so a job's device comes from there.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import safe_open
from torch import Tensor, nn

from interp.runs.atomic import write_tensors
from interp.runs.errors import UserError
from interp.runs.estimate import Estimate
from interp.runs.folder import Run
from interp.runs.progress import Progress
from interp.runs.schedule import Schedule

CHECKPOINT_SECONDS = 60.0


class Job(ABC):
    """What is trained."""

    module: nn.Module
    """Everything with state: parameters, and buffers for whatever else must survive a kill."""
    optimizers: list[torch.optim.Optimizer]
    """Each with its peak learning rate."""
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
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
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
    _average_gradients(job.module)
    for optimizer in job.optimizers:
        optimizer.step()
    job.after_step(step)
    return metrics


def _averaged(metrics: dict[str, float | Tensor]) -> dict[str, float]:
    """Metrics averaged over processes, each of which saw its share of the data."""
    own, state = [float(value) for value in metrics.values()], PartialState()
    if state.num_processes > 1:
        summed = torch.tensor(own, dtype=torch.float64, device=state.device)
        torch.distributed.all_reduce(summed)
        own = (summed / state.num_processes).tolist()
    return dict(zip(metrics, own, strict=True))


def _average_gradients(module: nn.Module) -> None:
    world = PartialState().num_processes
    if world == 1:
        return
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    torch.distributed.all_reduce(flat)
    pieces = flat.div_(world).split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def _module_state(module: nn.Module) -> dict[str, Tensor]:
    """What the module keeps, tied weights once: safetensors stores no tensor twice."""
    once = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    return {name: tensor for name, tensor in module.state_dict().items() if name in once}


def _state(job: Job) -> dict[str, Tensor]:
    tensors = {f"module.{name}": tensor for name, tensor in _module_state(job.module).items()}
    for number, optimizer in enumerate(job.optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def _save(job: Job, run: Run, step: int, schedule: Schedule, *, stable: bool = False) -> None:
    if run.primary:
        path = run.stable_checkpoint if stable else run.checkpoint
        progress = {"step": step, "steps": schedule.steps, "decay_start": schedule.decay_start}
        write_tensors(path, _state(job), {"progress": json.dumps(progress)})


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
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    _load_module(
        job.module, {name.removeprefix("module."): tensors[name] for name in tensors if name.startswith("module.")}, path
    )
    for number, optimizer in enumerate(job.optimizers):
        _load_optimizer(optimizer, f"optimizer.{number}.", tensors)
    run.forget_after(progress["step"] - 1)
    return progress["step"]


def _load_module(module: nn.Module, stored: dict[str, Tensor], path: Path) -> None:
    own = _module_state(module)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in stored.items()}:
        raise UserError(f"{path} holds a model of another shape than the one to train; take another run folder")
    for name, tensor in own.items():
        tensor.copy_(stored[name])


def _load_optimizer(optimizer: torch.optim.Optimizer, prefix: str, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            index, key = name.removeprefix(prefix).split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
