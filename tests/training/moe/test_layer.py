"""The layer against a dense dispatch of one-hot tensors, against Mixtral's block, and against the dense MLP."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import silu

from interp.runs.errors import UserError
from training.moe.experts import Experts, Rows
from training.moe.layer import LayerShape, MoELayer
from training.moe.plan import Request, RoutingPlan, route
from training.moe.rules import Rules

SHAPE = LayerShape(d_model=6, d_expert=5, experts=4, ranks=2)
FULL = Rules(k=2, capacity=1.0, fill="own", rectify=True)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(rules: Rules, shape: LayerShape = SHAPE, seed: int = 0, **options: object) -> MoELayer:
    layer = MoELayer(shape, rules, seed=seed, **options).double()  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(30)  # away from 0, where everything is alike
    return layer


def tokens(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed), requires_grad=True)


def every_expert(layer: MoELayer, x: Tensor) -> Tensor:
    """Results of all experts for all tokens, [expert, token, d]."""
    gate, up = torch.einsum("td,efd->etf", x, layer.experts.gate_up_proj).chunk(2, -1)
    return torch.einsum("etf,edf->etd", silu(gate) * up, layer.experts.down_proj)


def dense(layer: MoELayer, x: Tensor, plan: RoutingPlan) -> Tensor:
    """The output through the dense tensor of weights [token, expert], by autograd alone."""
    weights = x.new_zeros(len(x), plan.shape[1])
    for pairs in (plan.routes, plan.stand_ins):
        weights = weights.index_put((pairs.token, pairs.expert), pairs.weight, accumulate=True)
    return torch.einsum("te,etd->td", weights, every_expert(layer, x))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 1000), st.integers(1, 4), st.sampled_from([0.25, 1.0, 2.0, torch.inf]),
    st.sampled_from(["off", "own", "top1"]), st.booleans(),
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_dense_dispatch(
    seed: int, k: int, capacity: float, fill: str, rectify: bool
) -> None:
    layer = made(Rules(k, capacity, fill=fill, rectify=rectify), seed=seed)  # type: ignore[arg-type]
    x = tokens(10, 6, seed=seed)
    leaves = [x, *layer.parameters()]
    out = layer(x)
    assert layer.traffic is not None
    upstream = torch.randn(out.shape, dtype=out.dtype, generator=torch.Generator().manual_seed(seed))
    expected = dense(layer, x, layer.traffic.plan)
    assert torch.allclose(out, expected)
    ours = torch.autograd.grad(out, leaves, upstream, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(expected, leaves, upstream, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other)


def test_gradients_are_those_of_finite_differences() -> None:
    experts, x = Experts(3, 4, 3).double(), tokens(5, 4)
    weight = tokens(7, seed=2)
    token, counts = torch.tensor([0, 3, 4, 0, 1, 1, 2]), (4, 0, 3)
    gate_up, down = (30 * parameter.detach() for parameter in experts.parameters())

    def work(*leaves: Tensor) -> Tensor:
        given_parameters = {"gate_up_proj": leaves[2], "down_proj": leaves[3]}
        return torch.func.functional_call(experts, given_parameters, (leaves[0], Rows(token, leaves[1], counts)))

    assert torch.autograd.gradcheck(work, (x, weight, gate_up.requires_grad_(), down.requires_grad_()))


@pytest.mark.parametrize("kind", ["eager", "grouped_mm"])
@pytest.mark.parametrize("k, experts", [(1, 4), (2, 8), (3, 3)])
def test_at_no_drop_it_is_mixtrals_block(kind: str, k: int, experts: int) -> None:
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = MixtralConfig(
        hidden_size=16, intermediate_size=24, num_local_experts=experts, num_experts_per_tok=k, num_attention_heads=2
    )
    config._experts_implementation = kind
    block = MixtralSparseMoeBlock(config)
    layer = MoELayer(LayerShape(16, 24, experts), Rules(k, detach=False), seed=5)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(20)
    block.load_state_dict(layer.state_dict())
    x = torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(0))
    results = []
    for module in (layer, block):
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        out.square().sum().backward()
        results.append([out.detach(), leaf.grad, *(parameter.grad for parameter in module.parameters())])
    assert results[0][0].std() > 0.01
    noise = 1e-6 * max(float(one.abs().max()) for one in results[1])  # the router's gradient is 0 for k = 1
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=noise)


@pytest.mark.parametrize("rules", [FULL, replace(FULL, rectify=False), replace(FULL, k=1, fill="off"), Rules(2)])
def test_identical_experts_are_the_dense_mlp(rules: Rules) -> None:
    layer, x = made(rules), tokens(4, 5, 6)
    with torch.no_grad():
        for parameter in layer.experts.parameters():
            parameter[:] = parameter[0].clone()
    out, mlp = layer(x).flatten(0, 1), every_expert(layer, x.flatten(0, 1))[0]
    assert layer.traffic is not None
    plan = layer.traffic.plan
    reached = plan.routes_of_tokens().flatten() > 0
    reached |= torch.tensor(rules.rectify)
    assert torch.allclose(out[reached], mlp[reached]) and not out[~reached].any()


def test_ranks_are_layers_of_their_own_but_for_the_experts() -> None:
    """Each rank's half of the batch, alone, with masked company, gives the same outputs."""
    layer, x = made(FULL), tokens(2, 7, 6)
    whole = layer(x)
    for half in (0, 1):
        mask = torch.zeros(2, 7, dtype=torch.bool)
        mask[half] = True
        assert torch.allclose(layer(x, mask)[half], whole[half]) and not layer(x, mask)[1 - half].any()


def test_tokens_that_cannot_be_divided_leave_the_last_rank_short() -> None:
    layer, x = made(FULL), tokens(1, 9, 6)
    filled = torch.cat([x, x[:, :1]], 1)
    mask = torch.ones(1, 10, dtype=torch.bool)
    mask[0, 9] = False
    assert torch.allclose(layer(x), layer(filled, mask)[:, :9])
    one = layer(x[:, :1])
    assert layer.traffic is not None and not len(layer.traffic.plan.refused.token)
    assert torch.allclose(one.flatten(0, 1), dense(layer, x[0, :1], layer.traffic.plan))


def test_rules_may_be_changed_on_a_trained_layer() -> None:
    layer, x = made(Rules(2, 1.0)), tokens(2, 8, 6)
    plain = layer(x)
    layer.rules = FULL
    rectified = layer(x)
    layer.rules = Rules(2, 1.0)
    assert torch.equal(layer(x), plain) and not torch.allclose(rectified, plain)


def test_autocast_takes_the_products_but_not_the_router() -> None:
    layer = MoELayer(SHAPE, FULL, seed=3)
    x = torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(0))
    exact = layer(x)
    assert layer.traffic is not None
    before = layer.traffic.logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(x)
    assert torch.equal(layer.traffic.logits, before) and rough.dtype == x.dtype
    assert torch.allclose(rough, exact, rtol=0.05, atol=0.02 * float(exact.detach().abs().max())) and not torch.equal(
        rough, exact
    )
    rough.sum().backward()
    assert layer.experts.down_proj.grad is not None and layer.experts.down_proj.grad.dtype == torch.float32


def test_random_order_moves_on_from_pass_to_pass_and_repeats_from_the_seed() -> None:
    rules, x = Rules(1, 0.5, order="random"), tokens(2, 16, 6)
    layer, same = made(rules), made(rules)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second) and torch.equal(same(x), first) and torch.equal(same(x), second)


def test_the_plan_tells_the_seed_of_its_order() -> None:
    layer, x = made(Rules(1, 0.5, order="random")), tokens(2, 16, 6)
    for _ in range(2):
        layer(x)
        assert layer.traffic is not None
        plan = layer.traffic.plan
        again = route(Request.softmax(layer.traffic.logits), plan.rules)
        assert torch.equal(again.routes.token, plan.routes.token) and plan.rules.seed != layer.rules.seed


def test_a_copy_after_a_pass_routes_as_the_layer_does() -> None:
    layer, x = made(replace(FULL, order="random")), tokens(2, 8, 6)
    layer(x)
    copy = deepcopy(layer)
    assert copy.traffic is None and torch.equal(copy(x), layer(x))


def test_the_bias_evens_the_load_out() -> None:
    layer = MoELayer(SHAPE, Rules(1), bias_rate=0.005)
    with torch.no_grad():
        layer.gate.weight.copy_(torch.randn(4, 6, generator=torch.Generator().manual_seed(4)) / 2)
        layer.gate.weight[0, 0] += 1.0
    x = torch.cat([torch.ones(64, 1), tokens(64, 5).detach().float()], 1)
    peaks = []
    for _ in range(150):
        layer(x)
        assert layer.traffic is not None
        peaks.append(int(layer.traffic.plan.demand.sum(0).max()))
    assert peaks[0] > 32 and max(peaks[-10:]) < 22  # 16 is even
    assert layer.bias is not None
    still = layer.bias.bias.clone()
    layer.eval()(x)
    assert torch.equal(layer.bias.bias, still)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="6 experts cannot be divided among 4 ranks; accepted is a multiple of the ranks"):
        LayerShape(4, 4, experts=6, ranks=4)
    with pytest.raises(UserError, match="unknown router 'soft'; accepted are top-k, expert choice, BASE"):
        MoELayer(SHAPE, FULL, router="soft")
