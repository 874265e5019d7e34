"""Which tokens are dropped: those of low confidence, by chance, those of high confidence, or those that come last.

arXiv 2402.12399 serves tokens by the top-1 probability, so that the least confident ones are dropped where an expert is
over-full, and its notebooks (by the published code) roll that order to see what dropping others costs. Here the order is
reversed or left to chance or to position, at test time, on one trained model, the same choices being refused in number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args

from training.moe.evaluate import KEYS, evaluate, router_of, row_of
from training.moe.held_out import HeldOut
from training.moe.rules import Order, Rules

ORDERS: tuple[Order, ...] = get_args(Order)
ORDER_KEYS = (*KEYS, "order")


def by_order(
    model: Any,
    held_out: HeldOut,
    trained: Rules,
    *,
    capacities: Iterable[float] = (),
    orders: Iterable[str] = ORDERS,
    batch: int = 8,
) -> list[dict[str, Any]]:
    """Rows of `ORDER_KEYS` and `MEASURES`, the router being the trained one. Raises UserError for an unknown order."""
    rows, router = [], router_of(model)
    for rules in ordered(trained, capacities=capacities, orders=orders):
        found = evaluate(model, held_out, rules, batch=batch)
        rows.append(row_of(rules, trained, router) | {"order": rules.order} | found._asdict())
    return rows


def ordered(trained: Rules, *, capacities: Iterable[float] = (), orders: Iterable[str] = ORDERS) -> list[Rules]:
    """The rules of which `by_order` has a row each."""
    sizes, names = tuple(capacities) or (trained.capacity,), tuple(orders)
    return [replace(trained, capacity=size, order=name) for size in sizes for name in names]  # type: ignore[arg-type]
