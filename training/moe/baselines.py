"""Routers to compare with, behind the interface of `plan.route`.

Plain top-1 and top-2, dropless (infinite capacity) and random priority (order `random`) are rules of `route` itself.

- Expert choice (arXiv 2202.09368): every expert takes the C tokens of a rank that score it highest; a token may get none,
  or all. Nothing is refused, and slots stay empty only where an expert has more of them than there are tokens. It looks at
  later tokens, so it is no causal router.
- BASE (arXiv 2103.16716): the assignment of tokens to slots with the greatest sum of log scores; k = 1.
- Loss-free balancing (arXiv 2408.15664): a bias on the scores, in the choice only, that moves by the sign of the load.

Our choice: weights are those of `route` in all of them, so that upcycled experts equal the dense model and IR applies;
expert choice's own paper weighs by the bare probability, BASE by a sigmoid.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.runs.errors import UserError
from training.moe.plan import Choices, Request, RoutingPlan, complete, route
from training.moe.rules import Rules

Router = Callable[[Request, Rules], RoutingPlan]
"""(request, rules) -> plan."""


def expert_choice(request: Request, rules: Rules) -> RoutingPlan:
    """Every expert takes C tokens of each rank. Infinite capacity is read as k, a slot a choice."""
    ranks, tokens, experts = request.scores.shape
    slots = _slots(rules, rules.k, tokens, experts)
    taken = min(slots, tokens)
    by = request.preferences().masked_fill(~request.real()[:, None], -torch.inf).view(ranks, tokens, experts)
    scored = by.transpose(1, 2).sort(descending=True, stable=True)  # [rank, expert, token]
    order = scored.indices[..., :taken]
    token = (order + torch.arange(ranks, device=order.device)[:, None, None] * tokens).transpose(0, 1).flatten()
    expert = torch.arange(experts, device=token.device).repeat_interleave(ranks * taken)
    slot = torch.arange(taken, device=token.device).repeat(ranks * experts)
    placed = scored.values[..., :taken].transpose(0, 1).flatten() > -torch.inf
    choices = Choices(token, expert, torch.zeros_like(token)).at(placed)
    return complete(request, rules, slots, choices, slot[placed], choices.at(torch.arange(0, device=token.device)))


def base(request: Request, rules: Rules) -> RoutingPlan:
    """The best balanced assignment on each rank. Infinite capacity is read as 1. Raises UserError for k other than 1."""
    if rules.k != 1:
        raise UserError(f"BASE with k {rules.k} is refused; accepted is 1, as it assigns every token to one expert")
    ranks, tokens, experts = request.scores.shape
    slots = _slots(rules, 1, tokens, experts)
    token, expert, slot = (torch.cat(parts) for parts in zip(*_assignments(request, slots), strict=True))
    order = torch.argsort((expert * ranks + token // tokens) * slots + slot)
    placed = Choices(token, expert, torch.zeros_like(token)).at(order)
    unplaced = request.real().index_fill(0, token, False).nonzero().squeeze(1)
    wanted = request.preferences()[unplaced].argmax(1)
    return complete(request, rules, slots, placed, slot[order], Choices(unplaced, wanted, torch.zeros_like(unplaced)))


ROUTERS: dict[str, Router] = {"top-k": route, "expert choice": expert_choice, "BASE": base}
"""By name."""


class LossFreeBias(nn.Module):
    """b_e, added to scores when experts are chosen; after each step b_e += rate * sign(mean load - load_e)."""

    def __init__(self, experts: int, rate: float = 0.001) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("bias", torch.zeros(experts))
        self.bias: Tensor

    def choose_by(self, scores: Float[Tensor, "rank token expert"]) -> Float[Tensor, "rank token expert"]:
        """Biased scores, without gradient."""
        return scores.detach() + self.bias

    def update(self, demand: Int[Tensor, "rank expert"]) -> None:
        """Move by the load of all ranks in the last step."""
        load = demand.sum(0).to(self.bias.dtype)
        self.bias += self.rate * (load.mean() - load).sign()


def _slots(rules: Rules, instead: int, tokens: int, experts: int) -> int:
    """C, with `instead` for an infinite capacity."""
    found = rules.slots(tokens, experts)
    return found if found is not None else max(1, math.ceil(tokens * instead / experts))


def _assignments(request: Request, slots: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Token, expert and slot of each rank's best assignment."""
    from scipy.optimize import linear_sum_assignment

    ranks, tokens, _ = request.scores.shape
    by, found = request.preferences() if request.choose_by is not None else request.flat().detach().log(), []
    for rank, real in enumerate(request.real().view(ranks, tokens)):
        rows = real.nonzero().squeeze(1) + rank * tokens
        row, column = linear_sum_assignment(by[rows].repeat_interleave(slots, 1).cpu().numpy(), maximize=True)
        place = torch.from_numpy(column).to(rows.device)
        found.append((rows[torch.from_numpy(row).to(rows.device)], place // slots, place % slots))
    return found
