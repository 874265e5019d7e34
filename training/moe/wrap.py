"""Capacity and rectification for Hugging Face's mixtures of experts, whatever they were trained with (arXiv 2402.12399).

    with RoutedModel(model, Rules(k=2, capacity=2.0, fill="own", rectify=True), ranks=4) as routed:
        model(**batch)
        routed.traffic[3].plan  # of layer 3

A hook on every gate replaces its weights and experts by those of a plan; its logits, which transformers records by the
gate's class, stay. Blocks, experts, shared experts and whatever kernel computes them are untouched. A token has as many
columns as the token with the most routes needs; spare ones hold expert 0 with weight 0, since a number beyond the experts
is only safe in one of the kernels. Tokens are dealt to ranks as in `training.moe.layer`.

In generation with a cache a pass holds the newest token of each sequence. A batch of one then never drops a choice: one
token asks k different experts, and each has a slot, since C is at least 1. Drops are of the prompt's pass, and of batches.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.runs.errors import UserError
from training.moe.families import Gate, gates
from training.moe.layer import Traffic
from training.moe.losses import balance_loss, z_loss
from training.moe.plan import Request, RoutingPlan, StandIns, route, with_drawn_seed
from training.moe.ranks import check_ranks, dealt
from training.moe.records import Routed
from training.moe.rules import Rules


class RoutedModel:
    """A model, or a block of it, that routes by `rules` until `close`. `rules` and `ranks` may be changed at any time.

    With no drop, fill "off" and `detach` False (Mixtral, and others that normalise) or True (those that do not), outputs
    and gradients are the family's own.
    """

    def __init__(self, model: nn.Module, rules: Rules, *, ranks: int = 1) -> None:
        """Put the hooks in place.

        Raises UserError for an unknown architecture, another k than the model's own, and experts that cannot be divided
        among the ranks.
        """
        self.gates = gates(model)
        for gate in self.gates:
            check_ranks(gate.experts, ranks)
            if rules.k != gate.k:
                raise UserError(f"k {rules.k} is refused for this model; accepted is its own, {gate.k}")
        self.rules, self.ranks = rules, ranks
        self.traffic: dict[int, Traffic] = {}
        """Of the last forward pass, by layer."""
        self.requests: dict[int, Request] = {}
        """What the routers said in it, by layer."""
        self.row_bytes: dict[int, int] = {}
        """Bytes of a token as experts get it, by layer."""
        self._mask: Tensor | None = None
        self.generator = torch.Generator().manual_seed(rules.seed)
        """Of the seeds of order `random`, one a layer and pass."""
        self._hooks = [gate.module.register_forward_hook(self._rerouting(gate)) for gate in self.gates]
        self._hooks += [
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end, always_call=True),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the model its own routing back."""
        for hook in self._hooks:
            hook.remove()

    def reseed(self, number: int) -> None:
        """Begin the chance of order `random` anew; the next pass then depends on this number alone."""
        self.generator.manual_seed(self.rules.seed + number)

    def passed(self) -> Iterator[tuple[int, Routed]]:
        """What the last forward pass did, layer by layer, as routing records have it."""
        for gate in self.gates:
            traffic, said = self.traffic[gate.layer], self.requests[gate.layer]
            told: dict[str, Any] = {"balance": float(traffic.balance), "mass": said.mass}
            told |= {"row_bytes": self.row_bytes[gate.layer]}
            yield gate.layer, Routed(traffic.plan, traffic.logits, gate.family.scoring, said.choose_by, **told)

    def _begin(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Take note of the padding, which gates do not see."""
        given = inspect.signature(model.forward).bind_partial(*args, **kwargs).arguments
        mask = given.get("attention_mask", kwargs.get("attention_mask"))
        if mask is not None and not (isinstance(mask, Tensor) and mask.ndim == 2):
            raise UserError("this attention mask does not say which tokens are padding; accepted is [sequence, position]")
        self.traffic, self.requests, self._mask = {}, {}, mask

    def _end(self, *_: Any) -> None:
        self._mask = None

    def _rerouting(self, gate: Gate) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        def hook(module: nn.Module, args: Any, output: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
            logits, weights, own = output
            self.row_bytes[gate.layer] = args[0].shape[-1] * args[0].element_size()
            request, by_rank = self._request(gate, logits, weights, own)
            plan = route(request, with_drawn_seed(self.rules, self.generator))
            self.requests[gate.layer] = request
            self.traffic[gate.layer] = Traffic(plan, by_rank, balance_loss(request), z_loss(by_rank, request.mask))
            weights, experts = _columns(plan, weights.dtype)
            return logits, weights[: len(logits)], experts[: len(logits)]

        return hook

    def _request(self, gate: Gate, logits: Tensor, weights: Tensor, own: Tensor) -> tuple[Request, Tensor]:
        """The family's request and its logits, by rank; the last rank is filled up where tokens cannot be divided."""
        scores, real = gate.scores(logits), self._real(logits)
        if len(logits) % self.ranks and real is None:
            real = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
        by, mass = gate.choose_by(scores, own), weights.detach().to(scores.dtype).sum(1)
        by, real = (None if values is None else dealt(values, self.ranks) for values in (by, real))
        request = Request(dealt(scores, self.ranks), by, real, dealt(mass, self.ranks, 1))
        return request, dealt(logits.to(scores.dtype), self.ranks)

    def _real(self, logits: Tensor) -> Bool[Tensor, " token"] | None:
        """Which tokens of this pass are none of the padding; None where all are. With a cache, masks are longer."""
        if self._mask is None or bool(self._mask.all()):
            return None
        return self._mask[:, -(len(logits) // len(self._mask)) :].flatten().to(logits.device, torch.bool)


def _columns(plan: RoutingPlan, dtype: torch.dtype) -> tuple[Float[Tensor, "token column"], Int[Tensor, "token column"]]:
    """Weights and experts of every token's routes and stand-in, as blocks hand them to their experts."""
    token, expert, weight = (
        torch.cat([getattr(part, name) for part in (plan.routes, plan.stand_ins)]) for name in StandIns._fields
    )
    token, order = token.sort(stable=True)
    counts = torch.bincount(token, minlength=plan.shape[0] * plan.tokens)
    place = torch.arange(len(token), device=token.device) - (counts.cumsum(0) - counts)[token]
    shape = len(counts), max(1, int(counts.max()))
    weights = weight.new_zeros(shape).index_put((token, place), weight[order])
    return weights.to(dtype), expert.new_zeros(shape).index_put((token, place), expert[order])
