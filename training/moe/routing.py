"""Any mixture of experts, Hugging Face's or ours, under given rules: one way to have it routed and to ask what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor, nn

from training.moe.decoder import moe_layers, routed_layers, seed_orders
from training.moe.families import gates
from training.moe.ranks import check_ranks
from training.moe.records import Routed
from training.moe.rules import Rules
from training.moe.wrap import RoutedModel


class Routing(Protocol):
    """What a model routes by, other than its own rules."""

    def reseed(self, number: int, /) -> None:
        """Have the next pass depend on this number alone."""

    def passed(self) -> Iterable[tuple[int, Routed]]:
        """What the last pass did, by layer."""

    def close(self) -> None:
        """Give the model its own routing back."""


class OurLayers:
    """The `MoELayer`s of a model, routing by other rules until `close`. Padding is routed by nobody."""

    def __init__(self, model: nn.Module, rules: Callable[[int], Rules], ranks: int) -> None:
        """Raises UserError for experts that cannot be divided among the ranks."""
        self.model, self._layers = model, moe_layers(model).values()
        self._before = [(layer.rules, layer.ranks) for layer in self._layers]
        for layer in self._layers:
            check_ranks(len(layer.experts), ranks)
        for layer in self._layers:
            asked = rules(layer.rules.k)
            layer.rules, layer.ranks = replace(asked, detach=layer.rules.detach), ranks
        self._mask: Tensor | None = None
        self._hooks = [model.register_forward_pre_hook(self._note, with_kwargs=True)]
        self._hooks += [layer.register_forward_pre_hook(self._masked, with_kwargs=True) for layer in self._layers]

    def reseed(self, number: int) -> None:
        """As of `Routing`."""
        seed_orders(self.model, number)

    def passed(self) -> Iterable[tuple[int, Routed]]:
        """As of `Routing`."""
        return routed_layers(self.model)

    def close(self) -> None:
        """As of `Routing`."""
        for hook in self._hooks:
            hook.remove()
        for layer, (rules, ranks) in zip(self._layers, self._before, strict=True):
            layer.rules, layer.ranks = rules, ranks

    def _note(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._mask = kwargs["attention_mask"].bool()

    def _masked(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {**kwargs, "mask": self._mask}


def routing_of(model: nn.Module, rules: Callable[[int], Rules], ranks: int) -> Routing:
    """The model under the rules for its own k, on so many simulated ranks.

    Raises UserError for an unknown architecture, and for experts that cannot be divided among the ranks.
    """
    if moe_layers(model):
        return OurLayers(model, rules, ranks)
    return RoutedModel(model, rules(gates(model)[0].k), ranks=ranks)
