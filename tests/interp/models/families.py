"""Tiny random models of Hugging Face families with a tiny tokenizer, all offline."""

from __future__ import annotations

from typing import Any

import torch

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "far", "away", "from", "here"]


def transformers_model(kind: str) -> Any:
    """A seeded random model whose biases and norms are away from their initial values."""
    import transformers as t

    small: dict[str, Any] = {
        "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 48, "bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 64,
    }  # fmt: skip
    configs = {
        "gpt2": lambda: t.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=4, n_positions=64),
        "llama": lambda: t.LlamaConfig(**small, num_key_value_heads=2),
        "qwen2": lambda: t.Qwen2Config(**small, num_key_value_heads=2),
        "neox": lambda: t.GPTNeoXConfig(**small),
    }
    model = t.AutoModelForCausalLM.from_config(configs[kind]())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.float() * 0.2 + 0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tokenizer() -> Any:
    """Words to ids, with `<s>` and `</s>`; it has no name and no files."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def bridge_of(kind: str) -> Any:
    """The model wrapped by a Bridge."""
    from transformer_lens.model_bridge import TransformerBridge

    from interp.models.bridge import _for_bridge

    return TransformerBridge.boot_transformers(
        kind, hf_model=transformers_model(kind), tokenizer=_for_bridge(tokenizer(), kind), device="cpu"
    )
