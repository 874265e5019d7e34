"""Hugging Face families under capacity and rectification: against themselves at no drop, and against dense dispatch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from interp.runs.errors import UserError
from tests.training.moe.tiny import FAMILIES, NORMALISED, tiny
from training.moe.families import gates
from training.moe.rules import Rules
from training.moe.wrap import RoutedModel

IDS = torch.randint(3, 50, (3, 9), generator=torch.Generator().manual_seed(0))
"""27 tokens, which two ranks cannot share evenly."""

KERNELS = ["eager", "grouped_mm", "batched_mm"]
"""Of transformers' experts; only the first is safe with an expert's number beyond the last."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def full(model: Any, **options: Any) -> Rules:
    k = gates(model)[0].k
    return Rules(k, float(k), **{"fill": "own", "rectify": True, **options})


def gradients(model: Any) -> list[Tensor]:
    model.zero_grad()
    model(IDS, labels=IDS).loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_at_no_drop_outputs_and_gradients_are_the_familys_own(family: str, kernel: str) -> None:
    model = tiny(family, experts=kernel)
    with torch.no_grad():
        own = model(IDS).logits
    own_gradients = gradients(model)
    rules = Rules(gates(model)[0].k, rectify=True, detach=family not in NORMALISED)
    with RoutedModel(model, rules, ranks=2) as routed:
        with torch.no_grad():
            ours = model(IDS).logits
        assert routed.traffic and not any(len(one.plan.refused.token) for one in routed.traffic.values())
        our_gradients = gradients(model)
    assert own.std() > 0.5 and torch.allclose(ours, own, atol=1e-5)
    for one, other in zip(our_gradients, own_gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4 * max(1e-3, float(other.abs().max())))
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, own)  # and closed, it is as it was


class Seen:
    """What one block of a model had and made: tokens, the gate's own answer, the experts' output, its own output."""

    def __init__(self, model: Any, layer: int) -> None:
        self.block = model.model.layers[layer].mlp
        self.values: dict[str, Any] = {}
        for name, module in (("gate", self.block.gate), ("experts", self.block.experts), ("block", self.block)):
            module.register_forward_hook(self._keeping(name))

    def _keeping(self, name: str) -> Any:
        def keep(module: Any, args: Any, output: Any) -> None:
            self.values |= {name: output, f"{name} input": args[0]}

        return keep

    def shared(self) -> Tensor:
        """What the block adds to its experts' output."""
        return self.values["block"].flatten(0, 1) - self.values["experts"].view(-1, 16)

    def every_expert(self, x: Tensor) -> Tensor:
        """Results of all experts for all tokens, [expert, token, d]."""
        experts = self.block.experts
        gate, up = torch.einsum("td,efd->etf", x, experts.gate_up_proj).chunk(2, -1)
        return torch.einsum("etf,edf->etd", experts.act_fn(gate) * up, experts.down_proj)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_dropping_it_is_dense_dispatch_of_the_plan(family: str, kernel: str) -> None:
    model = tiny(family, experts=kernel)
    seen = Seen(model, 1)  # before the wrapper's hooks, so the gate's own answer is kept
    with torch.no_grad(), RoutedModel(model, full(model), ranks=2) as routed:
        model(IDS)
        plan = routed.traffic[1].plan
        assert len(plan.refused.token) and plan.routes.filled.any() and len(plan.stand_ins.token)
        _, weights, own = seen.values["gate"]
        logits = seen.values["gate"][0].float()
        score = logits.sigmoid() if family == "deepseek v3" else logits.softmax(-1)
        table, times = torch.zeros_like(logits), (plan.rules.k - plan.routes_of_tokens()).flatten()
        table.index_put_((plan.routes.token, plan.routes.expert), score[plan.routes.token, plan.routes.expert])
        token, expert = plan.stand_ins.token, plan.stand_ins.expert
        table.index_put_((token, expert), times[token] * score[token, expert], accumulate=True)
        table *= (weights.sum(1) / table.sum(1))[:, None]  # the family's mass over what is left
        expected = torch.einsum("te,etd->td", table, seen.every_expert(seen.values["experts input"]))
        assert torch.allclose(seen.values["experts"].view(-1, 16), expected, atol=1e-5)
        first = plan.routes.choice < plan.rules.k
        asked = set(zip(plan.routes.token[first].tolist(), plan.routes.expert[first].tolist(), strict=True))
        asked |= set(zip(plan.refused.token.tolist(), plan.refused.expert.tolist(), strict=True))
        assert asked == {(t, e) for t, row in enumerate(own.tolist()) for e in row}
        shared = seen.block(seen.values["block input"]), seen.shared()
    without = seen.block(seen.values["block input"]), seen.shared()
    assert torch.allclose(shared[1], without[1], atol=1e-5) and not torch.allclose(shared[0], without[0], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_whatever_order_the_gate_gives_them_the_best_choice_is_served_first(family: str) -> None:
    model = tiny(family)
    plans = []
    for turned in (False, True):
        if turned:  # as DeepSeek's topk may, which does not sort
            for gate in gates(model):
                gate.module.register_forward_hook(lambda module, args, out: (out[0], out[1].flip(1), out[2].flip(1)))
        with torch.no_grad(), RoutedModel(model, full(model)) as routed:
            model(IDS)
            plans.append(routed.traffic[1].plan)
    assert torch.equal(plans[0].routes.token, plans[1].routes.token)
    assert torch.equal(plans[0].routes.choice, plans[1].routes.choice)
    scores = gates(model)[-1].scores(routed.traffic[1].logits[0])
    if family == "deepseek v3":
        scores = scores + model.model.layers[1].mlp.gate.e_score_correction_bias
    first, second = plans[0].routes.choice == 0, plans[0].routes.choice == 1
    value = torch.zeros(2, len(scores))
    for row, which in enumerate((first, second)):
        token, expert = plans[0].routes.token[which], plans[0].routes.expert[which]
        value[row, token] = scores[token, expert]
    both = (value > 0).all(0)
    assert both.any() and (value[0] >= value[1])[both].all()


@pytest.mark.parametrize("family", ["deepseek v2, groups", "deepseek v3"])
def test_fill_ins_stay_in_the_groups_that_bound_communication(family: str) -> None:
    model = tiny(family)
    with torch.no_grad(), RoutedModel(model, full(model)) as routed:
        model(IDS)
        routes = routed.traffic[1].plan.routes
    assert routes.filled.any()
    for token in range(IDS.numel()):
        assert len((routes.expert[routes.token == token] // 2).unique()) <= 2


def test_equal_logits_go_to_the_experts_that_the_family_chose() -> None:
    """In bfloat16 logits tie, and torch.topk need not take the lowest index."""
    model = tiny("qwen2", experts="eager").to(torch.bfloat16)
    with torch.no_grad():
        for gate in gates(model):
            gate.module.weight.copy_(gate.module.weight[:1].expand_as(gate.module.weight))
        last = gates(model)[-1].module
        last.register_forward_hook(lambda module, args, output: (*output[:2], output[2] * 0 + torch.tensor([7, 2, 5])))
        own = model(IDS).logits.float()
        with RoutedModel(model, Rules(3, rectify=True)) as routed:
            ours = model(IDS).logits.float()
    assert set(routed.traffic[1].plan.routes.expert.tolist()) == {2, 5, 7}
    assert torch.allclose(ours, own, atol=0.02 * float(own.abs().max()))


def test_padding_is_routed_by_nobody_and_takes_no_slot() -> None:
    model, mask = tiny("olmoe"), torch.ones_like(IDS)
    mask[1, :4] = 0  # as generation pads
    with torch.no_grad(), RoutedModel(model, full(model), ranks=2) as routed:
        model(IDS, attention_mask=mask)
        plan = routed.traffic[0].plan
        assert {9, 10, 11, 12}.isdisjoint(torch.cat([plan.routes.token, plan.refused.token, plan.stand_ins.token]).tolist())
        assert int(plan.demand.sum()) == 23 * 3
        model(IDS, torch.ones_like(mask))
        assert int(routed.traffic[0].plan.demand.sum()) == 27 * 3
        with pytest.raises(UserError, match=r"accepted is \[sequence, position\]"):
            model(IDS, attention_mask=torch.zeros(3, 1, 9, 9))


@pytest.mark.parametrize("sequences", [1, 4])
def test_generation_with_a_cache_drops_choices_in_batches_alone(sequences: int) -> None:
    """One token asks k different experts and each has a slot; four tokens ask eight times for four experts."""
    model, passes = tiny("mixtral"), []
    with RoutedModel(model, Rules(2, 1e-6)) as routed:
        model.register_forward_hook(lambda *_: passes.append(routed.traffic[1].plan))
        model.generate(IDS[:1].repeat(sequences, 1), max_new_tokens=5, min_new_tokens=5, do_sample=True)
    assert [plan.tokens for plan in passes] == [9 * sequences, *[sequences] * 4]
    assert len(passes[0].refused.token)  # the prompt's own pass
    for plan in passes[1:]:
        assert plan.slots == 1 and (len(plan.refused.token) == 0) == (sequences == 1)


def test_the_models_own_router_logits_stay() -> None:
    model = tiny("mixtral")
    with torch.no_grad():
        own = model(IDS, output_router_logits=True).router_logits
        with RoutedModel(model, Rules(2)) as routed:
            found = model(IDS, output_router_logits=True).router_logits
            assert torch.allclose(routed.traffic[1].logits.flatten(0, 1), own[1], atol=1e-5)
    assert len(found) == len(own) == 2 and torch.allclose(found[1], own[1], atol=1e-5)


def test_a_block_alone_can_be_routed() -> None:
    block = tiny("qwen3").model.layers[0].mlp
    x = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = block(x)
        with RoutedModel(block, Rules(3), ranks=4) as routed:
            assert torch.allclose(block(x), own, atol=1e-5)
            routed.rules = Rules(3, 1.0)
            assert not torch.allclose(block(x), own, atol=1e-2) and routed.traffic[0].plan.slots == 1


def test_what_cannot_be_is_refused() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    dense = LlamaForCausalLM(LlamaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(UserError, match="type 'llama' has no router that is known here; supported are Mixtral, Qwen2-MoE"):
        RoutedModel(dense, Rules(2))
    model = tiny("mixtral")
    with pytest.raises(UserError, match="k 1 is refused for this model; accepted is its own, 2"):
        RoutedModel(model, Rules(1))
    with pytest.raises(UserError, match="4 experts cannot be divided among 3 ranks; accepted is a multiple"):
        RoutedModel(model, Rules(2), ranks=3)
    with torch.no_grad(), RoutedModel(model, Rules(2)), pytest.raises(UserError, match="router score nan of rank 0"):
        model.model.layers[0].mlp.gate.weight.fill_(torch.nan)
        model(IDS)
