"""Which device a job runs on, and in which precision."""

from __future__ import annotations

import atexit
import contextlib
import os
from functools import cache

import torch
import torch.distributed as dist

from interp.runs.errors import UserError


def resolve(device: str = "auto") -> torch.device:
    """The device named by `device`; "auto" prefers CUDA, then CPU. Raises UserError for a device that is absent.

    Under torchrun this joins the processes (gloo on CPU, nccl on CUDA), and "cuda" is the device of this process.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise UserError(f"unknown device '{device}': accepted are auto, cpu, cuda, cuda:0, ...") from None
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device '{device}' was asked for but this machine has no CUDA device; use cpu or auto")
    return _joined(resolved) if "LOCAL_RANK" in os.environ else resolved


def _joined(device: torch.device) -> torch.device:
    import torch.distributed.nn.functional  # noqa: F401  first imported later, its defaults hold the group for good
    from accelerate import PartialState

    # accelerate has one state a process, made by the first call: without cpu=True it takes CPU processes for strangers.
    state = PartialState(cpu=device.type == "cpu")
    _leave_at_exit()
    return state.device if device.index is None else device


@cache
def _leave_at_exit() -> None:
    """Threads of gloo that outlive the interpreter's end, holding a tensor, abort the process; they end with the group."""
    atexit.register(lambda: dist.is_initialized() and dist.destroy_process_group())


def autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on CUDA; nothing on CPU, where most processors run bfloat16 far slower than float32."""
    if device.type == "cuda":
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return contextlib.nullcontext()
