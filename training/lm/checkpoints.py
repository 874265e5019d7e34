"""Snapshots of a run at log-spaced steps, each a folder in transformers' format that anything can load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from interp.models.checkpoints import checkpoint_folder

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

PER_DOUBLING = 3


def log_spaced(steps: int) -> list[int]:
    """0, 1, 2, 3, 4, 5, 6, 8, 10, ... : three steps a doubling, and the last one."""
    found, exponent = {0, steps}, 0
    while (step := round(2 ** (exponent / PER_DOUBLING))) < steps:
        found.add(step)
        exponent += 1
    return sorted(found)


def save_checkpoint(folder: Path, step: int, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> Path:
    """Write the model in half precision, and its tokenizer; whole or not at all."""
    place = checkpoint_folder(folder, step)
    if place.exists():  # a resumed run takes these steps again, to the same weights
        return place
    unfinished = place.with_name(f".{place.name}")
    weights = {name: value.detach().to("cpu", torch.float16) for name, value in model.state_dict().items()}
    model.save_pretrained(unfinished, state_dict=weights)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(place)
    return place
