"""A tiny causal model with a tokenizer of characters and code words, in a folder that `load_causal` reads."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from training.lm.model import DecoderShape, new_decoder
from training.lm.tokenizer import train_tokenizer

CODE = [
    "def add(a, b):\n    # Add two numbers.\n    return a + b\n",
    "```python\nx = 1\n```",
    "// say\nlet y = 2;\n",
    "/* c */ int z;\n",
]


def tiny_model() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Two layers, random weights large enough that its choices differ."""
    tokenizer = train_tokenizer(CODE * 4, 400)
    model = new_decoder(DecoderShape(len(tokenizer), 2, 32, 4, 64, 4096), end=tokenizer.eos_token_id, seed=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(6.0)
    return model.eval(), tokenizer


def saved(folder: Path) -> str:
    """The model's folder."""
    model, tokenizer = tiny_model()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
