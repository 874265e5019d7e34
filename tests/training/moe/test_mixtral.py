"""What `transformers` loads as Mixtral gives the same logits; what Mixtral cannot say is told and loads with ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from interp.runs.errors import UserError
from tests.training.moe.dense import dense, written_model
from training.moe.decoder import MoEShape, moe_layers, routed_by
from training.moe.mixtral import load_moe, plain, rules_from, save_moe, to_mixtral
from training.moe.rules import Rules
from training.moe.upcycle import upcycle

TOKENS = torch.randint(300, (2, 16), generator=torch.Generator().manual_seed(3))
RULES = Rules(2, 1.25, fill="own", rectify=True)


def mixed(kind: str = "llama", every: int = 1, rules: Rules = RULES, **options: object) -> torch.nn.Module:
    """An upcycled model whose experts have parted."""
    model = upcycle(dense(kind), MoEShape(4, 2, every), rules, **options)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in moe_layers(model).values():
            for weight in layer.parameters():
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return model


@pytest.fixture
def tokenizer(tmp_path: Path) -> object:
    return AutoTokenizer.from_pretrained(written_model(tmp_path))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_transformers_loads_it_as_mixtral(k: int, tied: bool, tmp_path: Path, tokenizer: object) -> None:
    model = upcycle(dense(tie_word_embeddings=tied), MoEShape(4, 2), Rules(k, 0.5))
    with torch.no_grad():
        for layer in moe_layers(model).values():
            layer.experts.down_proj.mul_(torch.tensor([1.0, 0.5, -1.0, 2.0]).view(4, 1, 1))
            layer.gate.weight.mul_(20)
    assert save_moe(model, tokenizer, tmp_path / "moe", every=1) is None
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "moe", dtype=torch.float32)
    assert type(theirs).__name__ == "MixtralForCausalLM" and theirs.config.num_experts_per_tok == k
    with routed_by(model, Rules(k)):
        expected = model(TOKENS).logits
    assert expected.std() > 0.01 and torch.allclose(theirs(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)
    ours = load_moe(tmp_path / "moe", device="cpu").model
    assert {layer.rules for layer in moe_layers(ours).values()} == {Rules(k, 0.5)}
    assert torch.allclose(ours(TOKENS).logits, model(TOKENS).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "kind, every, options, told",
    [
        ("llama", 2, {}, "2 of 4 layers have experts; Mixtral has them in every layer"),
        ("qwen2", 1, {}, "Qwen2ForCausalLM has weights that Mixtral has not: .*q_proj.bias"),
        ("llama", 1, {"bias_rate": 0.1}, "layer 0 routes by a balancing bias"),
        (
            "llama",
            1,
            {"router": "expert choice", "rules": Rules(2, 1.25)},
            "layer 0 routes by expert choice; Mixtral's experts are the top k",
        ),
    ],
)
def test_what_mixtral_cannot_say_is_told_and_loads_with_ours(
    kind: str, every: int, options: dict[str, object], told: str, tmp_path: Path, tokenizer: object
) -> None:
    model = mixed(kind, every, **options)
    for layer in moe_layers(model).values():
        if layer.bias is not None:
            layer.bias.bias.copy_(torch.tensor([0.1, -0.2, 0.0, 0.3]))
    with pytest.raises(UserError, match=told):
        to_mixtral(model)
    assert "ixtral" in str(save_moe(model, tokenizer, tmp_path / "moe", every=every))
    ours = load_moe(tmp_path / "moe", device="cpu").model
    assert list(moe_layers(ours)) == list(moe_layers(model))
    assert torch.allclose(ours(TOKENS).logits, model.eval()(TOKENS).logits, rtol=1e-4, atol=1e-4)


def test_another_architecture_is_found_by_its_logits() -> None:
    """Granite has Mixtral's weights and multiplies them by constants of its own."""
    model = upcycle(dense("granite", logits_scaling=2.0), MoEShape(4, 2), Rules(2))
    with pytest.raises(UserError, match=r"GraniteForCausalLM as Mixtral differs by .* in its logits: another architecture"):
        to_mixtral(model)


def test_writing_again_replaces_the_folder(tmp_path: Path, tokenizer: object) -> None:
    save_moe(mixed(every=2), tokenizer, tmp_path / "moe", every=2)
    save_moe(mixed(), tokenizer, tmp_path / "moe", every=1)
    assert json.loads((tmp_path / "moe/moe.json").read_text())["every"] == 1
    assert len(moe_layers(load_moe(tmp_path / "moe", device="cpu").model)) == 4


def test_foreign_folders_and_weights_are_refused(tmp_path: Path, tokenizer: object) -> None:
    with pytest.raises(UserError, match=r"holds no mixture of ours; accepted are folders with moe\.json"):
        load_moe(tmp_path, device="cpu")
    save_moe(mixed(every=2), tokenizer, tmp_path / "moe", every=2)
    told = json.loads((tmp_path / "moe/moe.json").read_text())
    (tmp_path / "moe/moe.json").write_text(json.dumps(told | {"every": 4}))
    with pytest.raises(UserError, match=r"are not those of its config\.json and moe\.json"):
        load_moe(tmp_path / "moe", device="cpu")


def test_damaged_folders_are_told(tmp_path: Path, tokenizer: object) -> None:
    for every in (1, 2):
        for damage, told in (
            ({"moe.json": "{}"}, "holds no mixture of ours"),
            ({"moe.json": "[1]"}, "holds no mixture of ours"),
            ({"config.json": None}, "the mixture in .* cannot be read: "),
            ({"config.json": "{}"}, "the mixture in .* cannot be read: "),
            ({"model.safetensors": None}, "the mixture in .* cannot be read: "),
            ({"model.safetensors": "cut"}, "the mixture in .* cannot be read: "),
        ):
            save_moe(mixed(every=every), tokenizer, tmp_path / "moe", every=every)
            for name, content in damage.items():
                (tmp_path / "moe" / name).unlink()
                if content is not None:
                    (tmp_path / "moe" / name).write_text(content)
            with pytest.raises(UserError, match=told) as refused:
                load_moe(tmp_path / "moe", device="cpu")
            assert "\n" not in str(refused.value)


def test_nothing_of_an_attempt_that_was_killed_is_taken_over(tmp_path: Path, tokenizer: object) -> None:
    (tmp_path / ".moe").mkdir()
    (tmp_path / ".moe/model-00001-of-00002.safetensors").write_text("cut")
    save_moe(mixed(), tokenizer, tmp_path / "moe", every=1)
    assert not (tmp_path / "moe/model-00001-of-00002.safetensors").exists() and not (tmp_path / ".moe").exists()


@pytest.mark.parametrize("rules", [Rules(), RULES, Rules(1, 2 / 3, order="random", seed=4)])
def test_rules_survive_json(rules: Rules) -> None:
    assert rules_from(json.loads(json.dumps(plain(rules)))) == rules
