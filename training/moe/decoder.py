"""A causal language model of `transformers` some of whose MLPs are mixtures of experts: their layers, rules and records.

`training.moe.upcycle` makes one of a dense model, `training.moe.mixtral` writes and reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from interp.runs.errors import UserError
from training.moe.layer import MoELayer, Traffic
from training.moe.plan import scores_of
from training.moe.ranks import check_ranks
from training.moe.records import RecordWriter, Routed, Tokens
from training.moe.rules import Rules


@dataclass(frozen=True)
class MoEShape:
    """Which MLPs become mixtures, and of how many experts. Raises UserError for what cannot be."""

    experts: int = 8
    ranks: int = 4
    """Simulated ones: tokens of a batch are dealt to them in order."""
    every: int = 1
    """The last of so many layers; arXiv 2402.12399 has 2 (by its code)."""

    def __post_init__(self) -> None:
        check_ranks(self.experts, self.ranks)
        if self.every < 1:
            raise UserError(f"a mixture in every {self.every} layers is refused; accepted is a whole number from 1")


def moe_layers(model: nn.Module) -> dict[int, MoELayer]:
    """Mixtures of experts by the number of their layer."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, MoELayer)}
    return {layer_number(name): module for name, module in found.items()}


def place_of(model: nn.Module) -> tuple[int, int]:
    """This process among those that divide the model's experts, and their number; of a dense model 0 and 1."""
    return next((layer.place for layer in moe_layers(model).values()), (0, 1))


def share_of(model: nn.Module, sequences: Shaped[Tensor, " sequence *rest"]) -> Shaped[Tensor, " own *rest"]:
    """Those of the sequences that this process reads, where experts are divided among processes; else all."""
    place, count = place_of(model)
    return sequences.tensor_split(count)[place]


def layer_number(name: str, otherwise: int = 0) -> int:
    """The number of the layer a module is part of, by its name: after `layers` or `h`, else the first number in it."""
    number = re.search(r"\b(?:layers|h)\.(\d+)\b", name) or re.search(r"(\d+)", name)
    return int(number[1]) if number else otherwise


def set_rules(model: nn.Module, rules: Rules) -> None:
    """Have all mixtures route by these rules from now on."""
    for layer in moe_layers(model).values():
        layer.rules = rules


@contextmanager
def routed_by(model: nn.Module, rules: Rules) -> Iterator[None]:
    """Route by these rules for a while."""
    before = {number: layer.rules for number, layer in moe_layers(model).items()}
    set_rules(model, rules)
    try:
        yield
    finally:
        for number, layer in moe_layers(model).items():
            layer.rules = before[number]


def seed_orders(model: nn.Module, *numbers: int) -> None:
    """Begin the chance of order `random` anew, each layer its own; a pass then depends on these numbers alone."""
    for number, layer in moe_layers(model).items():
        seed = 0
        for part in (layer.rules.seed, *numbers, number):
            seed = (seed * 1_000_003 + part + 1) % 2**62
        layer.generator.manual_seed(seed)


def traffic_of(model: nn.Module) -> dict[int, Traffic]:
    """What the last forward pass left behind, by layer. Raises UserError where there was none."""
    found = {number: layer.traffic for number, layer in moe_layers(model).items()}
    if not found or None in found.values():
        raise UserError("the model has routed nothing yet; accepted is one with mixtures of experts after a forward pass")
    return {number: traffic for number, traffic in found.items() if traffic is not None}


def router_losses(model: nn.Module) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Load-balancing loss and z-loss of the last forward pass, summed over layers, without coefficients."""
    passed = traffic_of(model).values()
    return torch.stack([one.balance for one in passed]).sum(), torch.stack([one.z for one in passed]).sum()


@torch.no_grad()
def record_pass(
    model: Any, tokenizer: Any, tokens: Tensor, writer: RecordWriter, *, step: int, domains: Sequence[str] = ()
) -> None:
    """Read the sequences [sequence, position] and record how every token was routed.

    `domains` are what the texts are, if that is told. Processes that divide the experts all call this, each for its share
    of as many sequences as can be divided; the first one writes.
    """
    was_training = model.training
    model.eval()
    seed_orders(model, step)
    model(share_of(model, tokens), use_cache=False)
    model.train(was_training)
    who = Tokens.of(tokens, tokenizer)
    if domains and place_of(model)[0] == 0:
        writer.tell_domains(domains)
    for number, passed in routed_layers(model):
        if place_of(model)[0] == 0:
            writer.add(step, number, who, passed)
    writer.flush()


def routed_layers(model: nn.Module) -> Iterator[tuple[int, Routed]]:
    """What the last forward pass did on all ranks, layer by layer, as routing records have it."""
    layers = moe_layers(model)
    for number, own in traffic_of(model).items():
        layer = layers[number]
        traffic = layer.whole(own)
        by = layer.bias.choose_by(scores_of(traffic.logits, "softmax")) if layer.bias is not None else None
        told: dict[str, Any] = {"router": layer.router, "balance": float(traffic.balance)}
        told |= {"row_bytes": layer.gate.weight[0].nbytes}  # as wide as a token, and of its type
        yield number, Routed(traffic.plan, traffic.logits, "softmax", by, **told)
