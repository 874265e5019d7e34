"""Expert parallelism: every rank has its own tokens and its own experts, and rows travel between them (A3 to A7).

A pass of a rank with S tokens, E experts on G ranks and C slots:

1. It routes its own tokens; drops depend on no other rank.
2. It lays the rows of its routes into a buffer [E, C, d], zeros where a slot is empty, and the first all-to-all takes every
   rank its experts' part. Fixed buffers cost (1 - 1/G) E C d numbers whatever was routed, and no message about sizes.
3. Its experts compute the rows of all ranks, E C in all; the second all-to-all takes the results back.
4. Stand-ins (intra-GPU rectification) are computed beside it, by its own experts, and nothing of them travels.

The outputs, and after `interp.runs.processes.average_gradients` the gradients, are those of one process that simulates the
ranks (`training.moe.layer`). Backward passes exchange as much again. Where capacity is infinite, buffers are as large as the
largest demand on any rank. Ranks say how many slots they have before each pass, 24 bytes; where capacity is finite, numbers
of tokens so unequal that slots differ are refused. With order `random` every rank draws for itself.

Parallel layers are upcycled, trained and saved as others are (`interp moe train --parallel`). A layer is built whole before
it keeps its part, so that its weights are those of the simulation: a rank's memory holds one whole layer for a moment.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from interp.runs.errors import UserError
from training.moe.baselines import ROUTERS
from training.moe.experts import Experts, Rows
from training.moe.layer import LayerShape, MoELayer, Traffic
from training.moe.losses import balance_loss, z_loss
from training.moe.plan import RoutingPlan, with_drawn_seed
from training.moe.rules import Rules


class Exchange(NamedTuple):
    """Bytes that one rank's tokens sent over to other ranks in a forward pass, there and back."""

    sent: int
    """As buffers have it: 2 (1 - 1/G) E C d numbers."""
    useful: int
    """Rows of routes alone, without empty slots."""


class ParallelMoELayer(MoELayer):
    """The part of one rank in a `MoELayer` of as many ranks as the group has processes."""

    def __init__(
        self,
        shape: LayerShape,
        rules: Rules,
        *,
        router: str = "top-k",
        bias_rate: float | None = None,
        seed: int = 0,
    ) -> None:
        """The weights of `MoELayer` with these arguments, its experts' share of this rank alone.

        Raises UserError without processes that torchrun started, or for another number of them than `shape.ranks`.
        """
        super().__init__(shape, rules, router=router, bias_rate=bias_rate, seed=seed)
        if not dist.is_initialized():
            raise UserError("expert parallelism has no process group; accepted are processes that torchrun started")
        rank, world = self.place = dist.get_rank(), dist.get_world_size()
        if world != shape.ranks:
            told = f"a layer of {shape.ranks} ranks in a group of {world} processes"
            raise UserError(f"{told} is refused; accepted is a process a rank")
        self.ranks = 1
        self.generator = torch.Generator().manual_seed(rules.seed + rank)
        self.exchange: Exchange | None = None
        """Of the last forward pass."""
        whole = self.experts.state_dict()
        self.experts = Experts(each := shape.experts // world, shape.d_model, shape.d_expert)
        self.experts.load_state_dict({name: part[rank * each : (rank + 1) * each] for name, part in whole.items()})

    def forward(self, x: Float[Tensor, "*batch d"], mask: Bool[Tensor, "*batch"] | None = None) -> Float[Tensor, "*batch d"]:
        """As of `MoELayer`, for this rank's tokens. All ranks take part, with equally many tokens.

        Raises UserError on every rank where numbers of slots differ at a finite capacity, or one rank has bad logits.
        """
        flat = x.reshape(-1, x.shape[-1])
        try:
            logits, mask = self._logits(flat, None if mask is None else mask.reshape(-1))
            request = replace(self._request(logits, mask), place=self.place)
            plan = ROUTERS[self.router](request, with_drawn_seed(self.rules, self.generator))
        except UserError:
            self._all_slots(0, failed=True)  # others wait for this rank
            raise
        plan = self._agreed(plan)
        self.traffic = Traffic(plan, logits, balance_loss(request), z_loss(logits, request.mask))
        if self.training and self.bias is not None:
            demand = plan.demand
            dist.all_reduce(demand)
            self.bias.update(demand)
        return (self._routed(flat, plan) + self._stand_ins(flat, plan)).to(x.dtype).view(x.shape)

    def whole(self, traffic: Traffic) -> Traffic:
        """The pass of all ranks: logits of all, and the plan that follows from them. All ranks take part.

        Raises UserError after tokens with a mask, and under order `random`, in which every rank has drawn for itself.
        """
        if self.rules.order == "random" or not traffic.plan.real.all():
            raise UserError("the pass of all ranks is known only without padding and in an order that is not random")
        parts = [torch.empty_like(traffic.logits) for _ in range(self.place[1])]
        dist.all_gather(parts, traffic.logits.detach().contiguous())
        request = self._request(logits := torch.cat(parts), None)
        plan = ROUTERS[self.router](request, self.rules)
        return Traffic(plan, logits, balance_loss(request), z_loss(logits))

    def _agreed(self, plan: RoutingPlan) -> RoutingPlan:
        """The plan with the slots of all ranks."""
        most, fewest, failed = self._all_slots(plan.slots)
        if failed:
            raise UserError("another rank could not route its tokens; accepted are finite logits on every rank")
        if most != fewest and self.rules.slots(plan.tokens, plan.shape[1]) is not None:
            told = f"{plan.tokens} tokens on rank {self.place[0]} make {plan.slots} slots, others have {fewest} to {most}"
            raise UserError(f"{told}; accepted are equally many tokens on every rank, the rest masked")
        return replace(plan, slots=most)

    def _all_slots(self, slots: int, *, failed: bool = False) -> tuple[int, int, bool]:
        """Most and fewest slots of all ranks, and whether any has failed."""
        told = torch.tensor([slots, -slots, int(failed)], device=self.gate.weight.device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return int(told[0]), -int(told[1]), bool(told[2])

    def _routed(self, flat: Tensor, plan: RoutingPlan) -> Float[Tensor, "token d"]:
        """What comes of the routes."""
        routes, rows = plan.routes, plan.shape[1] * plan.slots
        place = routes.expert * plan.slots + routes.slot
        buffer = flat.new_zeros(rows, flat.shape[1]).index_copy(0, place, flat[routes.token])
        results = self.experts(_AllToAll.apply(buffer), self._rows(plan, buffer))
        returned = _AllToAll.apply(results)
        size = flat.shape[1] * (buffer.element_size() + results.element_size())
        rank, world = self.place
        abroad = int((routes.expert // len(self.experts) != rank).sum())
        self.exchange = Exchange(rows // world * (world - 1) * size, abroad * size)
        shares = returned[place] * routes.weight[:, None].to(returned.dtype)
        return returned.new_zeros(flat.shape).index_add(0, routes.token, shares)

    def _rows(self, plan: RoutingPlan, like: Tensor) -> Rows:
        """All rows that came, which lie by rank, expert and slot, each for its expert."""
        local, world = len(self.experts), self.place[1]
        each = world * plan.slots
        came = torch.arange(local * each, device=like.device).view(world, local, plan.slots)
        return Rows(came.transpose(0, 1).flatten(), like.new_ones(local * each), (each,) * local)

    def _stand_ins(self, flat: Tensor, plan: RoutingPlan) -> Float[Tensor, "token d"]:
        """What the rank's own experts do for choices that found no slot."""
        token, expert, weight = plan.stand_ins
        return self.experts(flat, Rows.of(token, expert - self.place[0] * len(self.experts), weight, len(self.experts)))


class _AllToAll(torch.autograd.Function):
    """Part r of the rows goes to rank r; gradients go back the same way.

    Ours, as torch deprecates the public collective with gradients in favour of a private one.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        """The parts that came, by rank."""
        return _exchanged(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """The gradient of what was sent."""
        return _exchanged(grad)


def _exchanged(rows: Tensor) -> Tensor:
    came = torch.empty_like(rows, memory_format=torch.contiguous_format)
    dist.all_to_all_single(came, rows.contiguous())
    return came
