"""What became of choices, slots and tokens in routing plans, in numbers that may be summed over layers and passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from training.moe.plan import RoutingPlan


class Counts(NamedTuple):
    """Over all ranks and experts."""

    tokens: int
    """Padding left out."""
    demand: int
    """Choices up to the k-th: kept + dropped."""
    kept: int
    dropped: int
    filled: int
    """Fill-ins: kept + filled + padding = slots."""
    rectified: int
    """Stand-ins."""
    padding: int
    slots: int
    lost: int
    """Tokens without route or stand-in."""


def counts_of(plan: RoutingPlan) -> Counts:
    """Of one plan."""
    ranks, experts = plan.shape
    reached = plan.routes_of_tokens().flatten() > 0
    reached[plan.stand_ins.token] = True
    used, kept, dropped = len(plan.routes.token), int((~plan.routes.filled).sum()), len(plan.refused.token)
    slots, lost = plan.slots * ranks * experts, int((~reached[plan.real]).sum())
    rectified = len(plan.stand_ins.token)
    return Counts(
        int(plan.real.sum()), kept + dropped, kept, dropped, used - kept, rectified, slots - used, slots, lost
    )  # fmt: skip


def summed(counts: Iterable[Counts]) -> Counts:
    """Of several plans."""
    return Counts(*(sum(column) for column in zip(*counts, strict=True)))
