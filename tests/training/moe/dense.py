"""Small dense models and a text, for tests of what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from training.lm.tokenizer import train_tokenizer

SIZES: dict[str, Any] = {
    "vocab_size": 300, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 128, "bos_token_id": None, "eos_token_id": 0,
}  # fmt: skip


def dense(kind: str = "llama", **changed: Any) -> Any:
    """A model of that family whose weights are large enough to tell outputs apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **(SIZES | changed)), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return model.eval()


def written_text(folder: Path) -> Path:
    """Lines of text, some of them held out."""
    lines = [f"The {n} boats of harbour {n % 7} left at hour {n % 5}, and {n % 3} of them came back." for n in range(600)]
    (folder / "text.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines))
    return folder / "text.jsonl"


def written_model(folder: Path) -> Path:
    """A model with a tokenizer, as `transformers` has them."""
    sample = ["yes no red blue left right : -> = is | Input Output, and / iron gold", *map(str, range(100))] * 3
    train_tokenizer(sample, SIZES["vocab_size"]).save_pretrained(folder / "dense")
    dense().save_pretrained(folder / "dense")
    return folder / "dense"
