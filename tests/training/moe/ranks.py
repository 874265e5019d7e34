"""A layer on several processes, for `torchrun`: leaves outputs, gradients and bytes of every case, `rank<n>.safetensors`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.processes import average_gradients
from training.moe.division import divided_parameters
from training.moe.layer import LayerShape, MoELayer
from training.moe.parallel import ParallelMoELayer
from training.moe.rules import Rules

D, EXPERTS, TOKENS = 6, 8, 14
"""Width, experts in all, tokens of a rank."""

CASES: dict[str, Rules] = {
    "plain": Rules(2, 1.0),
    "FR": Rules(2, 1.0, fill="own"),
    "IR": Rules(2, 1.0, rectify=True),
    "FR+IR": Rules(2, 2.0, fill="top1", rectify=True),
    "top-1": Rules(1, 0.5, fill="own", rectify=True),
    "dropless": Rules(2),
    "expert choice": Rules(2, 1.0, rectify=True),
    "padding": Rules(2, 1.0, fill="own", rectify=True),
    "balanced": Rules(2, 1.0, rectify=True),
}


def tokens(rank: int) -> Tensor:
    """The tokens of a rank."""
    generator = torch.Generator().manual_seed(rank)
    return torch.randn(2, TOKENS // 2, D, generator=generator, dtype=torch.float64)


def mask(rank: int) -> Tensor:
    """Where they are none of the padding, in the case `padding`."""
    return torch.arange(TOKENS).view(2, -1) % (rank + 2) != 0


def made(kind: type[MoELayer], case: str, ranks: int) -> MoELayer:
    """The layer, its weights away from 0, where everything is alike."""
    router = case if case == "expert choice" else "top-k"
    options = {"router": router, "bias_rate": 0.1 if case == "balanced" else None, "seed": 3}
    layer = kind(LayerShape(D, 5, EXPERTS, ranks), CASES[case], **options).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(30)
    return layer


def loss_of(layer: MoELayer, out: Tensor) -> Tensor:
    """A mean over tokens, so that ranks' losses have a mean."""
    assert layer.traffic is not None
    return out.sin().square().sum(-1).mean() + 0.1 * layer.traffic.balance


@contextmanager
def watched() -> Iterator[list[int]]:
    """Bytes of every buffer that is handed to an all-to-all meanwhile."""
    seen: list[int] = []

    exchanged = dist.all_to_all_single

    def watching(came: Tensor, rows: Tensor) -> None:
        seen.append(rows.numel() * rows.element_size())
        exchanged(came, rows)

    with mock.patch("torch.distributed.all_to_all_single", watching):
        yield seen


def passed(case: str, rank: int, world: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What this rank has of a pass, and counts."""
    layer, x = made(ParallelMoELayer, case, world), tokens(rank).requires_grad_()
    assert isinstance(layer, ParallelMoELayer)
    with watched() as buffers:
        out = layer(x, mask(rank) if case == "padding" else None)
    loss_of(layer, out).backward()
    average_gradients(layer, divided_parameters(layer))
    assert x.grad is not None and layer.traffic is not None and layer.exchange is not None
    found = {"out": out.detach(), "x": x.grad / world}
    found |= {name: parameter.grad for name, parameter in layer.named_parameters() if parameter.grad is not None}
    if layer.bias is not None:
        found["bias"] = layer.bias.bias
    routes, plan = layer.traffic.plan.routes, layer.traffic.plan
    abroad = int((routes.expert // (EXPERTS // world) != rank).sum())
    counts: dict[str, Any] = {
        "slots": plan.slots,
        "abroad": abroad,
        "stand_ins": len(plan.stand_ins.token),
        **layer.exchange._asdict(),
    }
    counts["buffers"] = buffers
    return found, counts


def refusals(rank: int, world: int) -> list[str]:
    """What is said to a layer of other ranks, to ranks whose slots differ, and where one has bad tokens."""
    said = []
    try:
        made(ParallelMoELayer, "plain", 2 * world)
    except UserError as error:
        said.append(str(error))
    layer = made(ParallelMoELayer, "padding", world)
    layer(tokens(rank), mask(rank))
    try:
        layer.whole(layer.traffic)  # type: ignore[arg-type]
    except UserError as error:
        said.append(str(error))
    whole = tokens(rank).flatten(0, 1)
    for own in (whole[: TOKENS - 8 * (rank == 1)], whole * (torch.nan if rank == 1 else 1)):
        try:
            made(ParallelMoELayer, "plain", world)(own)
        except UserError as error:
            said.append(str(error))
    return said


def main(folder: Path) -> None:
    """Run every case."""
    torch.set_num_threads(1)
    resolve("cpu")
    rank, world = dist.get_rank(), dist.get_world_size()
    tensors, counts = {}, {}
    for case in CASES:
        found, counts[case] = passed(case, rank, world)
        tensors |= {f"{case}/{name}": value.contiguous() for name, value in found.items()}
    save_file(tensors, folder / f"rank{rank}.safetensors")
    (folder / f"rank{rank}.json").write_text(json.dumps({"counts": counts, "refusals": refusals(rank, world)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
