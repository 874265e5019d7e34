"""A mixture of experts in the place of an MLP, with capacity and rectification simulated for a number of ranks.

Tokens are dealt to ranks in order, sequence after sequence, as data parallelism does; expert e lives on rank
e // (experts / ranks). One process then computes exactly what that many would (arXiv 2402.12399; `training.moe.plan`).
The names of the parameters are those of `transformers`' MixtralSparseMoeBlock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import linear

from interp.runs.errors import UserError
from training.moe.baselines import ROUTERS, LossFreeBias
from training.moe.experts import Experts, Rows
from training.moe.losses import balance_loss, z_loss
from training.moe.plan import Request, RoutingPlan, StandIns, with_drawn_seed
from training.moe.ranks import check_ranks, dealt
from training.moe.rules import Rules


@dataclass(frozen=True)
class LayerShape:
    """Sizes of a layer. Raises UserError for experts that cannot be divided among the ranks."""

    d_model: int
    d_expert: int
    experts: int = 8
    ranks: int = 1

    def __post_init__(self) -> None:
        check_ranks(self.experts, self.ranks)


class Traffic(NamedTuple):
    """What a forward pass leaves behind."""

    plan: RoutingPlan
    logits: Float[Tensor, "rank token expert"]
    """Of the router, in float32 or better, padding included."""
    balance: Float[Tensor, ""]
    """Load-balancing loss, with its gradient and without its coefficient."""
    z: Float[Tensor, ""]
    """Router z-loss, likewise."""


class MoELayer(nn.Module):
    """Router and experts. `rules`, `router` and `ranks` may be changed at any time: none has a parameter."""

    def __init__(
        self, shape: LayerShape, rules: Rules, *, router: str = "top-k", bias_rate: float | None = None, seed: int = 0
    ) -> None:
        """Random weights from `seed`; with `bias_rate`, loss-free balancing. Raises UserError for an unknown router."""
        super().__init__()
        if router not in ROUTERS:
            raise UserError(f"unknown router '{router}'; accepted are {', '.join(ROUTERS)}")
        self.rules, self.router, self.ranks = rules, router, shape.ranks
        self.gate = nn.Linear(shape.d_model, shape.experts, bias=False)
        nn.init.normal_(self.gate.weight, std=0.02, generator=torch.Generator().manual_seed(seed))
        self.experts = Experts(shape.experts, shape.d_model, shape.d_expert, seed=seed + 1)
        self.bias = LossFreeBias(shape.experts, bias_rate) if bias_rate is not None else None
        self.generator = torch.Generator().manual_seed(rules.seed)
        """Of the seeds of order `random`, one a pass."""
        self.traffic: Traffic | None = None
        """Of the last forward pass."""
        self.place: tuple[int, int] = (0, 1)
        """This process among those that divide the experts, and their number."""

    def forward(self, x: Float[Tensor, "*batch d"], mask: Bool[Tensor, "*batch"] | None = None) -> Float[Tensor, "*batch d"]:
        """Output of every token, 0 for those without a route; `traffic` tells what happened. `mask` is False for padding."""
        flat = x.reshape(-1, x.shape[-1])
        logits, mask = self._logits(flat, None if mask is None else mask.reshape(-1))
        request = self._request(logits, mask)
        plan = ROUTERS[self.router](request, with_drawn_seed(self.rules, self.generator))
        self.traffic = Traffic(plan, logits, balance_loss(request), z_loss(logits, request.mask))
        if self.training and self.bias is not None:
            self.bias.update(plan.demand)
        return self.experts(flat, rows_of(plan)).to(x.dtype).view(x.shape)

    def __getstate__(self) -> dict[str, Any]:
        """Without the last pass, whose tensors are part of a graph: a copy of the layer has had none."""
        return {**self.__dict__, "traffic": None}

    def whole(self, traffic: Traffic) -> Traffic:
        """The pass of all ranks that left this behind."""
        return traffic

    def _logits(self, flat: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Router logits and mask by rank; the last rank is filled up where tokens cannot be divided."""
        with torch.autocast(flat.device.type, enabled=False):
            exact = torch.promote_types(flat.dtype, torch.float32)
            logits = linear(flat.to(exact), self.gate.weight.to(exact))
        if mask is None and len(flat) % self.ranks:
            mask = torch.ones_like(flat[:, 0], dtype=torch.bool)
        return dealt(logits, self.ranks), None if mask is None else dealt(mask, self.ranks)

    def _request(self, logits: Tensor, mask: Tensor | None) -> Request:
        """What tokens of some ranks ask for."""
        request = Request.softmax(logits, mask)
        if self.bias is not None:
            return Request(request.scores, self.bias.choose_by(request.scores), request.mask)
        return request


def rows_of(plan: RoutingPlan) -> Rows:
    """All rows the experts compute: routes and stand-ins."""
    routes, stand_ins = plan.routes, plan.stand_ins
    if not len(stand_ins.token):
        counts = torch.bincount(routes.expert, minlength=plan.shape[1]).tolist()
        return Rows(routes.token, routes.weight, tuple(counts))
    token, expert, weight = (torch.cat([getattr(part, name) for part in (routes, stand_ins)]) for name in StandIns._fields)
    return Rows.of(token, expert, weight, plan.shape[1])
