"""The state of a job as tensors by name, and back: what a module keeps, and what its optimizers keep of each parameter.

    module.<name>                          parameters and buffers, tied ones once, as safetensors wants them
    optimizer.<number>.<index>.<name>      of the optimizer's parameter with that index

Sharded parameters (`interp.runs.processes`) are put together, so that a checkpoint is the whole however many processes
wrote it; each of those that read it takes its own rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from safetensors import safe_open
from torch import Tensor, nn

from interp.runs.errors import UserError
from interp.runs.processes import gathered

if TYPE_CHECKING:
    from interp.runs.loop import Job


def state_of(job: Job) -> dict[str, Tensor]:
    """The whole state on the first process, a partial one on the others, which take part where something is sharded."""
    sharded, found = _Sharded(job), {}
    for name, own in _own_state(job).items():
        whole = gathered(own) if sharded.has(name, own.ndim) else own
        if whole is not None:
            found[name] = whole
    return found


def load_state(job: Job, path: Path) -> None:
    """Take up the state in the file. Raises UserError for a module of another shape."""
    sharded = _Sharded(job)
    with safe_open(path, framework="pt") as file:
        tensors = {name: _own_rows(file, name) if sharded.has(name, len(file.get_slice(name).get_shape()))
                   else file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict  # fmt: skip
    _load_module(job.module, _below("module.", tensors), path)
    for number, optimizer in enumerate(job.optimizers):
        _load_optimizer(optimizer, _below(f"optimizer.{number}.", tensors))


class _Sharded:
    """Which tensors of the state belong to sharded parameters, row for row."""

    def __init__(self, job: Job) -> None:
        parameters = {name: one for name, one in job.module.named_parameters() if name in job.sharded}
        ids = {id(one) for one in parameters.values()}
        self._owners = {f"module.{name}": one.ndim for name, one in parameters.items()}
        for number, optimizer in enumerate(job.optimizers):
            held = [one for group in optimizer.param_groups for one in group["params"]]
            self._owners |= {f"optimizer.{number}.{index}": one.ndim for index, one in enumerate(held) if id(one) in ids}

    def has(self, name: str, axes: int) -> bool:
        """Whether the tensor of so many axes is; an optimizer's count of steps is not, having none.

        Raises ValueError for what an optimizer keeps otherwise, of which the rows cannot be told.
        """
        owner = self._owners.get(name, self._owners.get(name.rpartition(".")[0]))
        if owner is not None and axes not in (0, owner):
            raise ValueError(f"{name} has {axes} axes, its sharded parameter {owner}")
        return owner is not None and axes == owner


def _own_rows(file: Any, name: str) -> Tensor:
    state, rows = PartialState(), file.get_slice(name)
    each = rows.get_shape()[0] // state.num_processes
    return rows[state.process_index * each : (state.process_index + 1) * each]


def _own_state(job: Job) -> dict[str, Tensor]:
    tensors = {f"module.{name}": tensor for name, tensor in _module_state(job.module).items()}
    for number, optimizer in enumerate(job.optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    return tensors


def _module_state(module: nn.Module) -> dict[str, Tensor]:
    once = {name for name, _ in [*module.named_parameters(), *module.named_buffers()]}
    return {name: tensor for name, tensor in module.state_dict().items() if name in once}


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _load_module(module: nn.Module, stored: dict[str, Tensor], path: Path) -> None:
    own = _module_state(module)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in stored.items()}:
        raise UserError(f"{path} holds a model of another shape than the one to train; take another run folder")
    for name, tensor in own.items():
        tensor.copy_(stored[name])


def _load_optimizer(optimizer: torch.optim.Optimizer, stored: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
