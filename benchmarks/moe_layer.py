"""The MoE layer against its matrix products and Mixtral's block, and the cost of routing in time and memory.

The floor is what no layer of these experts avoids: for the rows each expert really gets, its products as torch.mm into
outputs that are ready, two forward (gate and up are one) and four backward. Gathering, the gate, weighting, adding up and
fresh gradients are ours to pay, and the router too. The peers are MixtralSparseMoeBlock with the same weights, eager and
by grouped_mm; nothing is dropped, and all compute the same. Planning is `route` with both rectifications, from
probabilities to plan, as a share of the forward pass of a layer without the rows that stand-ins add, which are told apart.

Memory is the growth of a fresh process' largest resident size in routing the tokens of one rank, in index lists and in
the dense formulation of GShard, a tensor [token, expert, slot] of weights, which grows with the square of the tokens.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.harness import arguments, publish, seconds, seconds_in_turn
from training.moe.layer import LayerShape, MoELayer, rows_of
from training.moe.plan import Request, route
from training.moe.rules import Rules

SEED = 1
PEERS = ("eager", "grouped_mm")
BOTH = Rules(k=2, capacity=2.0, fill="own", rectify=True)
SHARES = {8: 0.85, 32: 0.80}
"""Least share of the matrix products, forward and with the backward pass, by experts."""
PLANNING = 0.10
"""Largest share of the layer that planning takes."""


class Size(NamedTuple):
    """How much is measured."""

    d_model: int
    d_expert: int
    tokens: int
    experts: tuple[int, ...]
    routed: tuple[int, ...]
    """Tokens of all ranks whose routing is timed."""
    dense: int
    """Tokens of the rank that is dispatched densely."""
    repeats: int


def made_layer(size: Size, experts: int, rules: Rules, ranks: int = 1) -> MoELayer:
    """A layer whose router prefers some experts, as routers do."""
    layer = MoELayer(LayerShape(size.d_model, size.d_expert, experts, ranks), rules, seed=SEED)
    with torch.no_grad():
        layer.gate.weight.mul_(2)
    return layer


def mixtral(layer: MoELayer, kind: str) -> nn.Module:
    """Mixtral's block with the layer's weights."""
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    experts, d_model, d_expert = layer.experts.down_proj.shape
    config = MixtralConfig(
        hidden_size=d_model, intermediate_size=d_expert, num_local_experts=experts, num_experts_per_tok=layer.rules.k
    )
    config._experts_implementation = kind
    block = MixtralSparseMoeBlock(config)
    block.load_state_dict(layer.state_dict())
    return block


class Floor:
    """Products of the experts for given numbers of rows."""

    def __init__(self, layer: MoELayer, counts: tuple[int, ...]) -> None:
        self.gate_up, self.down = layer.experts.gate_up_proj.detach(), layer.experts.down_proj.detach()
        self.grads = torch.zeros_like(self.gate_up), torch.zeros_like(self.down)
        self.rows = [(expert, count) for expert, count in enumerate(counts) if count]
        most, (_, d_model, d_expert) = max(counts), self.down.shape
        self.x, self.hidden, self.projected = (torch.randn(most, width) for width in (d_model, d_expert, 2 * d_expert))
        self.out_x, self.out_hidden, self.out_projected = map(torch.empty_like, (self.x, self.hidden, self.projected))

    def forward(self) -> None:
        """Two products an expert."""
        for expert, count in self.rows:
            torch.mm(self.x[:count], self.gate_up[expert].T, out=self.out_projected[:count])
            torch.mm(self.hidden[:count], self.down[expert].T, out=self.out_x[:count])

    def both(self) -> None:
        """Forward, then four products an expert."""
        self.forward()
        for expert, count in self.rows:
            torch.mm(self.x[:count], self.down[expert], out=self.out_hidden[:count])
            torch.mm(self.x[:count].T, self.hidden[:count], out=self.grads[1][expert])
            torch.mm(self.projected[:count].T, self.x[:count], out=self.grads[0][expert])
            torch.mm(self.projected[:count], self.gate_up[expert], out=self.out_x[:count])


def forward_only(module: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """A pass without gradients."""

    def work() -> Tensor:
        with torch.inference_mode():
            return module(x)

    return work


def forward_and_backward(module: nn.Module, x: Tensor, upstream: Tensor) -> Callable[[], None]:
    """A training step but for its optimizer."""
    leaf = x.clone().requires_grad_()

    def work() -> None:
        module.zero_grad()
        leaf.grad = None
        module(leaf).backward(upstream)

    return work


def compare(size: Size, experts: int) -> dict[str, Any]:
    """Speed of the layer with these experts, as a share of its floor and in times of the faster peer."""
    generator = torch.Generator().manual_seed(SEED)
    x, upstream = (torch.randn(1, size.tokens, size.d_model, generator=generator) for _ in range(2))
    layer = made_layer(size, experts, Rules(k=2))
    modules = [layer, *(mixtral(layer, kind) for kind in PEERS)]
    results = [forward_only(module, x)() for module in modules]
    assert layer.traffic is not None
    floor = Floor(layer, rows_of(layer.traffic.plan).counts)
    least, ours, *theirs = seconds_in_turn(
        floor.forward, *(forward_only(module, x) for module in modules), repeats=size.repeats
    )
    with_grad = (forward_and_backward(module, x, upstream) for module in modules)
    least_both, ours_both, *theirs_both = seconds_in_turn(floor.both, *with_grad, repeats=size.repeats)
    return {
        "experts": experts,
        "share_of_matrix_products": least / ours,
        "share_of_matrix_products_with_backward": least_both / ours_both,
        "times_faster_peer": min(theirs) / ours,
        "times_faster_peer_with_backward": min(theirs_both) / ours_both,
        "forward_ms": 1e3 * ours,
        "with_backward_ms": 1e3 * ours_both,
        "relative_difference": max(float((results[0] - one).norm() / one.norm()) for one in results[1:]),
    }


def planning(size: Size, experts: int, ranks: int = 4) -> dict[str, Any]:
    """Planning FR and IR as a share of the layer's forward pass, whose experts compute the rows in slots alone."""
    x = torch.randn(1, size.tokens, size.d_model, generator=torch.Generator().manual_seed(SEED))
    layer = made_layer(size, experts, replace(BOTH, rectify=False), ranks)
    work = forward_only(layer, x)
    work()
    assert layer.traffic is not None
    scores = layer.traffic.logits.softmax(-1)
    plan = route(scores, BOTH)
    with torch.inference_mode():
        plain, plan_seconds, whole = seconds_in_turn(
            lambda: route(scores, Rules(k=2, capacity=2.0)), lambda: route(scores, BOTH), work, repeats=2 * size.repeats
        )
    return {
        "experts": experts,
        "planning_share_of_layer": plan_seconds / whole,
        "plain_planning_share_of_layer": plain / whole,
        "planning_ms": 1e3 * plan_seconds,
        "rows_in_slots": len(plan.routes.token),
        "rows_of_stand_ins": len(plan.stand_ins.token),
    }


def routing(tokens: int, repeats: int, experts: int = 32, ranks: int = 8) -> dict[str, Any]:
    """Microseconds a token of planning FR and IR."""
    logits = torch.randn(ranks, tokens // ranks, experts, generator=torch.Generator().manual_seed(SEED))
    request = Request.softmax(logits + torch.linspace(0, 1, experts))
    taken = seconds(lambda: route(request, BOTH), repeats=repeats, warmup=1)
    return {"tokens": tokens, "microseconds_a_token": 1e6 * taken / tokens}


def grown(kind: str, tokens: int, experts: int) -> float:
    """Megabytes by which this process' largest resident size grows in routing the tokens of one rank."""
    p = torch.randn(1, tokens, experts, generator=torch.Generator().manual_seed(SEED)).softmax(-1)
    route(p[:, :64], BOTH)
    before = _peak()
    plan = route(p, BOTH)
    if kind == "dense":
        weights = torch.zeros(tokens, experts, plan.slots)
        weights[plan.routes.token, plan.routes.expert, plan.routes.slot] = plan.routes.weight
    grew = (_peak() - before) / 1e6
    if kind == "dense":  # after the reading, as this makes a tensor of that size as well
        assert int((weights > 0).sum()) == len(plan.routes.token)
    return grew


def _peak() -> int:
    """Largest resident bytes of this process; `getrusage` would count what its parent held when it was forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def memory(size: Size, experts: int = 8) -> list[dict[str, Any]]:
    """Both formulations, each in a process of its own and with as many tokens as show."""
    rows = []
    for kind, tokens in (("lists", size.routed[-1]), ("dense", size.dense)):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            grew = pool.apply(grown, (kind, tokens, experts))
        rows.append({"formulation": kind, "tokens": tokens, "megabytes": grew, "bytes_a_token": 1e6 * grew / tokens})
    return rows


def targets(layers: list[dict[str, Any]], plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a bar: what was measured with so many experts, and the least or most it should be."""
    found = []
    for row in layers:
        least = {"share_of_matrix_products": SHARES.get(row["experts"], min(SHARES.values())), "times_faster_peer": 1.0}
        for name, bar in least.items():
            found += [_bar(row, measure, at_least=bar) for measure in (name, f"{name}_with_backward")]
    return found + [_bar(row, "planning_share_of_layer", at_most=PLANNING) for row in plans]


def _bar(row: dict[str, Any], measure: str, at_least: float = 0.0, at_most: float = math.inf) -> dict[str, Any]:
    met = at_least <= row[measure] <= at_most
    bar = f"at least {at_least:.2f}" if at_least else f"at most {at_most:.2f}"
    return {
        "experts": row["experts"],
        "measure": measure,
        "measured": row[measure],
        "bar": bar,
        "met": met,
    }


def measure(size: Size) -> dict[str, Any]:
    """All figures."""
    grew = memory(size)  # first, as a process inherits the largest size of the one that starts it
    timed = [routing(tokens, size.repeats) for tokens in size.routed]
    layers = [compare(size, experts) for experts in size.experts]
    plans = [planning(size, experts) for experts in size.experts]
    return {
        "targets": targets(layers, plans),
        "layers": layers,
        "planning": plans,
        "routing": timed,
        "cost_a_token_of_few_over_many": timed[0]["microseconds_a_token"] / timed[-1]["microseconds_a_token"],
        "memory": grew,
        "note": (
            f"Width {size.d_model}/{size.d_expert}, {size.tokens:,} tokens, top-2, float32. Planning is of both "
            "rectifications on 4 ranks, over the layer without the rows of stand-ins."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    few = Size(64, 96, 256, (4,), (4_096, 262_144), 8_192, 2)
    full = Size(576, 1536, 2048, (8, 32), (16_384, 131_072, 1_048_576), 16_384, 7)
    publish("moe_layer", measure(few if given.quick else full), quick=given.quick, seed=SEED)


if __name__ == "__main__":
    main()
