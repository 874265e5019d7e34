"""The floor counts the products of the decoder, and batches give what one window at a time gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.coherence import Floor, naive
from training.longtext.coherence import CoherenceModel, Windows

WINDOWS = Windows(33, 17, 8, None)


@pytest.fixture(scope="module")
def model() -> CoherenceModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
    )
    network: Any = LlamaForCausalLM(config).eval()
    return CoherenceModel(network, None)


def test_the_floor_is_the_arithmetic_of_the_model(model: CoherenceModel) -> None:
    tokens, floor = torch.randint(50, (5, 33)), Floor(model.model, WINDOWS)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        model.runs(tokens, WINDOWS)
    upper = sum(2 * 5 * 3 * 2 * length * length * 8 for length in (32, 16))  # layers, windows, heads: half of the attention
    rotations = 2 * sum(5 * 4 * length for length in (32, 16))  # angles, as products of numbers
    assert counted.get_total_flops() - upper == pytest.approx(floor.flops(5), abs=rotations)
    with FlopCounterMode(display=False) as worked:
        floor.work(5)()
    assert worked.get_total_flops() == floor.flops(5)


def test_batches_are_the_naive_windows(model: CoherenceModel) -> None:
    tokens = torch.randint(50, (5, 33))
    assert torch.allclose(torch.stack(model.runs(tokens, WINDOWS), 1), naive(model, tokens, WINDOWS), atol=1e-5)
