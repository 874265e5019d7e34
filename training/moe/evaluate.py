"""Loss, downstream accuracy, drop and padding rates of a mixture under any rules, trained with them or not.

Sequences are read in batches and dealt to the simulated ranks as in training, since what is dropped depends on who else is
read: text beside text, demonstrations beside demonstrations. Rates are those of the text. Where experts are divided among
processes, each reads its share of every batch, and all get the same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from interp.runs.processes import sum_over_processes
from training.lm.train import next_token_loss
from training.moe.counts import Counts, counts_of, summed
from training.moe.decoder import moe_layers, place_of, routed_by, seed_orders, share_of, traffic_of
from training.moe.held_out import HeldOut
from training.moe.rules import Rules
from training.moe.variants import check_router, label, name_of, variant

KEYS = ("router", "rectify", "fill", "trained_with", "capacity")
"""Columns that tell rows apart."""


class Evaluation(NamedTuple):
    """What rules do to a model."""

    loss: float
    """Nats a token of held-out real text."""
    accuracy: float
    """Share of held-out demonstrations' labels that are most probable (`training.moe.held_out`)."""
    dropped: float
    """Refused choices over choices, all layers."""
    padding: float
    """Empty slots over slots."""
    lost: float
    """Tokens that no expert reads, over tokens and layers."""
    extra_rows: float
    """Rows that stand-ins (IR) add, over tokens and layers."""


MEASURES = Evaluation._fields


@torch.no_grad()
def evaluate(model: Any, held_out: HeldOut, rules: Rules, *, batch: int = 8) -> Evaluation:
    """Measure the model as routed by `rules`, `batch` sequences at a time. Raises UserError for fill-in that cannot be."""
    counts: list[Counts] = []
    with routed_by(model, rules), _evaluating(model):
        check_router(router_of(model), rules)
        loss = text_loss(model, held_out, batch=batch, after=lambda: counts.extend(_counts(model)))
        accuracy = task_accuracy(model, held_out, batch=batch)
    sums = Counts(*_over_processes(model, torch.tensor(summed(counts))).tolist())
    rates = sums.dropped / max(1, sums.demand), sums.padding / sums.slots
    return Evaluation(loss, accuracy, *rates, sums.lost / sums.tokens, sums.rectified / sums.tokens)


@torch.no_grad()
def text_loss(model: Any, held_out: HeldOut, *, batch: int = 8, after: Callable[[], object] = lambda: None) -> float:
    """Nats a token of real text, of a dense model as well; `after` is called after every batch."""
    losses = []
    for number, tokens in enumerate(held_out.text.to(model.device).split(batch)):
        own = share_of(model, tokens)
        losses.append(next_token_loss(_logits(model, own, number), own).flatten())
        after()
    return _mean(model, torch.cat(losses))


@torch.no_grad()
def task_accuracy(model: Any, held_out: HeldOut, *, batch: int = 8) -> float:
    """Share of demonstrations' labels that are most probable, of a dense model as well."""
    right = []
    for number, (tokens, asked) in enumerate(zip(held_out.tasks.split(batch), held_out.asked.split(batch), strict=True)):
        own = share_of(model, tokens)
        said = _logits(model, own.to(model.device), number)[:, :-1].argmax(-1).cpu()
        right.append((said == own[:, 1:])[share_of(model, asked)[:, 1:]])
    return _mean(model, torch.cat(right))


def quality(model: Any, held_out: HeldOut, *, batch: int = 8) -> dict[str, float]:
    """Loss and accuracy of a dense model."""
    return {"loss": text_loss(model, held_out, batch=batch), "accuracy": task_accuracy(model, held_out, batch=batch)}


def router_of(model: Any) -> str:
    """The model's router, one of `training.moe.baselines.ROUTERS`."""
    return next(iter(moe_layers(model).values())).router


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _mean(model: Any, values: Tensor) -> float:
    total, count = _over_processes(model, torch.tensor([float(values.double().sum()), len(values)], dtype=torch.float64))
    return float(total / count)


def _over_processes(model: Any, values: Tensor) -> Tensor:
    """Sums over the processes among which the model's experts are divided."""
    return sum_over_processes(values) if place_of(model)[1] > 1 else values


def _logits(model: Any, tokens: Tensor, number: int) -> Tensor:
    seed_orders(model, number)
    return model(tokens, use_cache=False).logits.float()


def _counts(model: Any) -> list[Counts]:
    """Of the last pass, a layer each."""
    return [counts_of(traffic.plan) for traffic in traffic_of(model).values()]


def sweep(
    model: Any,
    held_out: HeldOut,
    trained: Rules,
    *,
    capacities: Iterable[float] = (),
    tests: Iterable[str] = (),
    batch: int = 8,
) -> list[dict[str, Any]]:
    """Rows of `KEYS` and `MEASURES`: the model under each of the routers `tests` at each capacity.

    Without `tests` or `capacities`, those it was trained with. `trained_with` names the router it was trained with, also
    where another one is switched on at test time only. Raises UserError for an unknown router.
    """
    asked = swept(trained, capacities=capacities, tests=tests)
    router = router_of(model)
    return [row_of(rules, trained, router) | evaluate(model, held_out, rules, batch=batch)._asdict() for rules in asked]


def swept(trained: Rules, *, capacities: Iterable[float] = (), tests: Iterable[str] = ()) -> list[Rules]:
    """The rules of a sweep, one a row."""
    names, sizes = tuple(tests) or (name_of(trained),), tuple(capacities) or (trained.capacity,)
    return [replace(variant(name, trained), capacity=capacity) for name in names for capacity in sizes]


def row_of(rules: Rules, trained: Rules, router: str = "top-k") -> dict[str, Any]:
    """The columns `KEYS`."""
    rectify = "on" if rules.rectify else "off"
    told = label(rules, router), rectify, rules.fill, name_of(trained), rules.capacity
    return dict(zip(KEYS, told, strict=True))


def with_intervals(rows: pd.DataFrame, keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Means over rows of the same keys (one a seed), with 95 % t intervals `<measure>_low` and `<measure>_high`.

    Without a second seed there is no interval: those columns are NaN. Column `seeds` counts.
    """
    from scipy.stats import t

    measures = [name for name in MEASURES if name in rows]
    grouped = rows.groupby(list(keys), sort=False, dropna=False)[measures]
    mean, count = grouped.mean(), grouped.size()
    half = grouped.std().div(np.sqrt(count), axis=0).mul(t.ppf(0.975, (count - 1).clip(lower=1)), axis=0)
    found = mean.assign(seeds=count)
    for name in measures:
        found[f"{name}_low"], found[f"{name}_high"] = mean[name] - half[name], mean[name] + half[name]
    ordered = [column for name in measures for column in (name, f"{name}_low", f"{name}_high")]
    return found[[*ordered, "seeds"]].reset_index()
