"""What the processes of one job do together: sums, means of gradients, a decision, and tensors put together.

A *sharded* parameter is one of which every process holds its own rows (its first axis), as experts are divided among
processes; of everything else each holds the whole. Without torchrun there is one process, and all of this is at once done.
"""

from __future__ import annotations

from collections.abc import Set

import torch
import torch.distributed as dist
from accelerate import PartialState
from jaxtyping import Shaped
from torch import Tensor, nn


def sum_over_processes(values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """The sum over all processes, on each."""
    state = PartialState()
    if state.num_processes == 1:
        return values
    total = values.to(state.device, copy=True)
    dist.all_reduce(total)
    return total.to(values.device)


def agreed(decision: bool) -> bool:
    """What the first process decided, on each."""
    state = PartialState()
    if state.num_processes == 1:
        return decision
    told = torch.tensor(int(decision), device=state.device)
    dist.broadcast(told, 0)
    return bool(told)


def gathered(own: Shaped[Tensor, " row *rest"]) -> Shaped[Tensor, " rows *rest"] | None:
    """All processes' rows below each other, in the memory of the first one; None on the others."""
    state = PartialState()
    if state.num_processes == 1:
        return own
    parts = [torch.empty_like(own) for _ in range(state.num_processes)] if state.is_main_process else None
    dist.gather(own.contiguous(), parts)
    return None if parts is None else torch.cat([part.cpu() for part in parts])


def average_gradients(module: nn.Module, sharded: Set[str] = frozenset()) -> None:
    """Make every gradient, each of a process's own loss, that of the mean of all losses, in one all-reduce.

    Of sharded parameters, named by `sharded`, the backward pass has added up what all processes' losses say.
    """
    if (world := PartialState().num_processes) == 1:
        return
    found = [(name in sharded, one.grad) for name, one in module.named_parameters() if one.grad is not None]
    for is_sharded, gradient in found:
        if is_sharded:
            gradient.div_(world)
    gradients = [gradient for is_sharded, gradient in found if not is_sharded]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    pieces = flat.div_(world).split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
