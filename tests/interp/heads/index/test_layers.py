"""Layers are shown one at a time, and no more of the model runs than that needs."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from interp.heads.index.layers import LayerReading, layer_reader
from interp.models.bridge import LanguageModel
from interp.models.load import load
from tests.interp.models.families import tokenizer, transformers_model

pytestmark = pytest.mark.slow
TOKENS = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 3, 4, 0]])


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(transformers_model("llama"), tokenizer=tokenizer())


@pytest.mark.parametrize("source", ["resid", "embed"])
def test_one_pattern_at_a_time(source: str, model: LanguageModel) -> None:
    shown: list[weakref.ref[torch.Tensor]] = []

    def visit(reading: LayerReading) -> None:
        gc.collect()
        assert not [pattern for pattern in shown if pattern() is not None]
        assert reading.layer == len(shown) and reading.pattern.shape == (2, 4, 5, 5)
        shown.append(weakref.ref(reading.pattern))

    layer_reader(model, source).visit(TOKENS, visit)  # type: ignore[arg-type]
    assert len(shown) == 2


def test_the_pass_ends_at_the_last_attention(model: LanguageModel) -> None:
    ran: list[str] = []
    residual, embedding = layer_reader(model, "resid"), layer_reader(model, "embed")
    watched = ["blocks.0.hook_mlp_out", "blocks.1.hook_attn_out", "blocks.1.hook_mlp_out", "unembed.hook_out"]
    with model.bridge.hooks(fwd_hooks=[(name, lambda value, hook, name=name: ran.append(name)) for name in watched]):
        residual.visit(TOKENS, lambda reading: None)
        assert ran == ["blocks.0.hook_mlp_out"]
        embedding.visit(TOKENS, lambda reading: None)
        assert ran == ["blocks.0.hook_mlp_out"]


def test_padding_does_not_reach_the_text(model: LanguageModel) -> None:
    alone: list[LayerReading] = []
    layer_reader(model, "resid").visit(TOKENS[1:, :4], alone.append)
    padded: list[LayerReading] = []
    layer_reader(model, "resid").visit(TOKENS, padded.append)
    for one, two in zip(alone, padded, strict=True):
        torch.testing.assert_close(two.x[1, :4], one.x[0])
        torch.testing.assert_close(two.pattern[1, :, :4, :4], one.pattern[0])
