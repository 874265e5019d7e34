"""Upcycled models equal their dense ones, whatever capacity refuses; what cannot be copied is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interp.heads.decoder import shipped_checkpoints
from interp.models.load import load_causal
from interp.runs.errors import UserError
from tests.training.moe.dense import dense
from training.moe.decoder import MoEShape, moe_layers, routed_by, router_losses, set_rules, traffic_of
from training.moe.layer import MoELayer
from training.moe.rules import Rules
from training.moe.upcycle import copies_of, gated_mlps, upcycle

TOKENS = torch.randint(300, (4, 16), generator=torch.Generator().manual_seed(3))
SHAPE = MoEShape(experts=4, ranks=2)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "qwen3", "olmo2"])
@pytest.mark.parametrize("rules", [Rules(1), Rules(2), Rules(2, 0.5, fill="own", rectify=True), Rules(1, 0.5, rectify=True)])
def test_logits_are_those_of_the_dense_model(kind: str, rules: Rules) -> None:
    model = dense(kind)
    before = model(TOKENS).logits.detach()
    upcycle(model, SHAPE, rules, seed=5)
    assert before.std() > 0.01 and torch.allclose(model(TOKENS).logits, before, rtol=1e-4, atol=1e-4)
    if rules.capacity < 1:
        assert all(len(one.plan.refused.token) for one in traffic_of(model).values())


def test_what_is_dropped_is_lost_without_rectification() -> None:
    model = dense()
    before = model(TOKENS).logits.detach()
    upcycle(model, SHAPE, Rules(1, 0.25))
    assert not torch.allclose(model(TOKENS).logits, before, atol=1e-2)
    with routed_by(model, Rules(1)):
        assert torch.allclose(model(TOKENS).logits, before, rtol=1e-4, atol=1e-4)
    assert all(layer.rules.capacity == 0.25 for layer in moe_layers(model).values())


def test_the_shipped_decoder_and_every_second_layer() -> None:
    model = load_causal(shipped_checkpoints()[-1].model, device="cpu").model
    before = model(TOKENS).logits.detach()
    upcycle(model, MoEShape(8, 4, every=2), Rules(2, 1.0, fill="top1", rectify=True))
    assert list(moe_layers(model)) == [1, 3] and torch.allclose(model(TOKENS).logits, before, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_smollm2_as_transformers_has_it() -> None:
    model = load_causal("smollm2-135m-instruct", device="cpu").model
    before = model(TOKENS).logits.detach()
    upcycle(model, MoEShape(2, 2, every=15), Rules(2, 1.0, rectify=True))
    assert list(moe_layers(model)) == [14, 29] and torch.allclose(model(TOKENS).logits, before, rtol=1e-3, atol=1e-3)


def test_routers_differ_between_layers_and_seeds_and_repeat() -> None:
    first, same, other = (upcycle(dense(), SHAPE, Rules(1), seed=seed) for seed in (1, 1, 2))
    gates = [torch.stack([layer.gate.weight for layer in moe_layers(one).values()]) for one in (first, same, other)]
    assert torch.equal(gates[0], gates[1]) and not torch.equal(gates[0], gates[2])
    assert len(gates[0].detach().sum((1, 2)).unique()) == 4


def test_an_expert_that_is_no_copy_is_found_and_the_model_is_left_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense()
    before = model(TOKENS).logits.detach()

    def wrong(*words: object, **options: object) -> MoELayer:
        layer = copies_of(*words, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            layer.experts.down_proj[1] *= 1.1
        return layer

    monkeypatch.setattr("training.moe.upcycle.copies_of", wrong)
    with pytest.raises(UserError, match=r"differs from the dense one by .* in its logits"):
        upcycle(model, SHAPE, Rules(2, 1.0))
    assert not moe_layers(model) and torch.equal(model(TOKENS).logits, before)


def test_losses_of_routers_are_summed_over_layers_and_have_gradients() -> None:
    model = upcycle(dense(), SHAPE, Rules(2, 2.0))
    model(TOKENS)
    balance, z = router_losses(model)
    passed = traffic_of(model).values()
    assert float(balance.detach()) == pytest.approx(sum(float(one.balance.detach()) for one in passed)) and len(passed) == 4
    (balance + z).backward()
    gates = [layer.gate.weight.grad for layer in moe_layers(model).values()]
    assert all(gate is not None and gate.abs().sum() > 0 for gate in gates)


def test_rules_change_for_all_layers() -> None:
    model = upcycle(dense(), SHAPE, Rules(2))
    set_rules(model, Rules(1, 0.5))
    assert {layer.rules for layer in moe_layers(model).values()} == {Rules(1, 0.5)}
    with pytest.raises(UserError, match="has routed nothing yet"):
        traffic_of(dense())


@pytest.mark.parametrize(
    "kind, changed, told",
    [
        ("gpt2", {}, "GPT2LMHeadModel has 0 gated MLPs in 4 layers; accepted are gated MLPs with SiLU"),
        ("gemma", {}, "has activation .*; accepted are gated MLPs with SiLU"),
        ("llama", {"mlp_bias": True}, "has biases; accepted are"),
        ("mixtral", {}, "MixtralForCausalLM has 0 gated MLPs in 4 layers"),
    ],
)
def test_other_mlps_are_refused(kind: str, changed: dict[str, bool], told: str) -> None:
    with pytest.raises(UserError, match=told):
        gated_mlps(dense(kind, **changed))
    with pytest.raises(UserError, match="Linear has 0 gated MLPs in None layers"):
        gated_mlps(nn.Linear(2, 2))


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="6 experts cannot be divided among 4 ranks"):
        MoEShape(6, 4)
    with pytest.raises(UserError, match="every 0 layers is refused"):
        MoEShape(4, 2, 0)
    with pytest.raises(UserError, match="a mixture in every 9 layers leaves none of 4"):
        upcycle(dense(), MoEShape(4, 2, 9), Rules(1))
    with pytest.raises(UserError, match="k 5 is more than the 4 experts"):
        upcycle(dense(), SHAPE, Rules(5))
