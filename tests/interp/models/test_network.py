"""The plain-tensor forward pass against the models that it describes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from interp.models.network import Edits, Network
from interp.models.random_network import NetworkShape
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError


def noisy(model: torch.nn.Module) -> torch.nn.Module:
    """Every parameter, biases and norms too, away from its initial value, so that none can be mixed up unseen."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def language_model(kind: str) -> Any:
    """A tiny random model of a Hugging Face family."""
    import transformers as t

    small = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    configs = {
        "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=16)),
        "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**small, num_key_value_heads=2, attention_bias=True, mlp_bias=True)),
        "qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**small, num_key_value_heads=2, tie_word_embeddings=True)),
        "neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**small)),
        "neox sequential": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**small, use_parallel_residual=False)),
    }
    return noisy(configs[kind]())


def test_othello_logits_and_writes_agree() -> None:
    model = noisy(OthelloTransformer(OthelloConfig(n_layers=2, d_model=32, n_heads=4, d_mlp=64)))
    tokens = torch.randint(0, 60, (20,))
    with torch.no_grad():
        record, writes = Network.from_othello(model).run(tokens), model.write_sites(tokens[None])
        torch.testing.assert_close(record.logits, model(tokens[None])[0], atol=1e-4, rtol=1e-4)
    for site, output in writes.items():
        torch.testing.assert_close(record.output(site), output[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "neox", "neox sequential"])
def test_language_model_logits_agree(kind: str) -> None:
    from interp.models.adapters import from_transformers

    model, tokens = language_model(kind), torch.randint(0, 50, (9,))
    with torch.no_grad():
        network = from_transformers(model)
        torch.testing.assert_close(network.run(tokens).logits, model(tokens[None]).logits[0], atol=1e-4, rtol=1e-4)


def test_unknown_architecture_is_refused_by_name() -> None:
    import transformers as t

    from interp.models.adapters import from_transformers

    model = t.OPTForCausalLM(t.OPTConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, ffn_dim=8, word_embed_proj_dim=8))
    with pytest.raises(UserError, match="'opt' models cannot be traced"):
        from_transformers(model)


def test_grouped_heads_equal_repeated_heads() -> None:
    grouped = Network.random(NetworkShape(n_kv_heads=2, rotary=4), torch.Generator().manual_seed(1))
    layers = []
    for layer in grouped.layers:
        a = layer.attention
        repeated = {name: getattr(a, name).repeat_interleave(2, 0) for name in ("W_K", "W_V", "b_K", "b_V")}
        layers.append(replace(layer, attention=replace(a, **repeated)))
    tokens = torch.arange(7)
    torch.testing.assert_close(grouped.run(tokens).logits, replace(grouped, layers=tuple(layers)).run(tokens).logits)


def test_edits_with_a_batch_axis_equal_single_runs() -> None:
    network = Network.random(NetworkShape(), torch.Generator().manual_seed(2)).to(torch.float64)
    tokens, deltas = torch.arange(5), torch.randn(3, 5, 16, dtype=torch.float64)
    batched = network.run(tokens, Edits({"L0A": lambda out: out + deltas})).logits
    single = [network.run(tokens, Edits({"L0A": lambda out, d=delta: out + d})).logits for delta in deltas]
    torch.testing.assert_close(batched, torch.stack(single))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "neox"])
def test_weights_are_found_inside_a_bridge(kind: str) -> None:
    from tokenizers import Tokenizer, models
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

    model, tokens = language_model(kind), torch.randint(0, 50, (9,))
    with torch.no_grad():
        expected = model(tokens[None]).logits[0]
        vocabulary = Tokenizer(models.WordLevel({f"t{number}": number for number in range(50)}, unk_token="t0"))
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, bos_token="t1", eos_token="t1", pad_token="t2")
        tokenizer.init_kwargs |= {"name_or_path": "tiny", "add_bos_token": True}
        bridge = TransformerBridge.boot_transformers("tiny", hf_model=model, tokenizer=tokenizer)
        torch.testing.assert_close(Network.from_bridge(bridge).run(tokens).logits, expected, atol=1e-4, rtol=1e-4)
