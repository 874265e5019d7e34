"""Ablated heads against networks whose weights lack them, and random sets against what is said of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.heads.scores import ablation
from interp.heads.scores.ablation import Head, Means, ablated, matched_heads, mean_outputs
from interp.models.bridge import LanguageModel
from interp.models.load import load
from interp.models.network import Network
from interp.runs.errors import UserError
from tests.interp.models.families import tokenizer, transformers_model

FAMILIES = ["llama", "qwen2", "gpt2", "neox"]
HEADS = [(0, 1), (1, 0), (1, 3)]


@pytest.fixture(scope="module")
def models() -> dict[str, LanguageModel]:
    return {kind: load(transformers_model(kind), tokenizer=tokenizer()) for kind in FAMILIES}


def without(network: Network, heads: list[Head], means: Means) -> Network:
    """The same network with constant heads: no W_O, and what they would write on average in the bias."""
    layers = list(network.layers)
    for layer, head in heads:
        attention = layers[layer].attention
        W_O = attention.W_O.clone()
        b_O = attention.b_O + means[layer, head].to(W_O) @ W_O[head]
        W_O[head] = 0.0
        layers[layer] = replace(layers[layer], attention=replace(attention, W_O=W_O, b_O=b_O))
    return replace(network, layers=tuple(layers))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_the_network_without_the_heads(kind: str, models: dict[str, LanguageModel]) -> None:
    model, tokens = models[kind], torch.arange(3, 15)
    network = Network.from_bridge(model.bridge)
    zero, means = torch.zeros(2, 4, 8), torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        intact = model.bridge(tokens[None])[0]
        for given_means, replaced in ((None, zero), (means, means)):
            with ablated(model, HEADS, given_means):
                found = model.bridge(tokens[None])[0]
            torch.testing.assert_close(found, without(network, HEADS, replaced).run(tokens).logits, atol=1e-4, rtol=1e-4)
            assert (found - intact).abs().max() > 0.01
        torch.testing.assert_close(model.bridge(tokens[None])[0], intact, atol=0, rtol=0)


@pytest.mark.slow
def test_nothing_is_left_behind_after_an_error(models: dict[str, LanguageModel]) -> None:
    model, tokens = models["llama"], torch.arange(3, 9)[None]
    intact = model.bridge(tokens)
    with pytest.raises(ZeroDivisionError), ablated(model, HEADS):
        1 / 0  # noqa: B018
    assert torch.equal(model.bridge(tokens), intact)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_means_are_over_all_positions_and_no_padding(kind: str, models: dict[str, LanguageModel]) -> None:
    model = models[kind]
    texts = [torch.arange(3, 12), torch.arange(5, 9), torch.tensor([7, 7])]
    network = Network.from_bridge(model.bridge).to(torch.float64)
    with torch.no_grad():
        records = [network.run(tokens) for tokens in texts]
    for layer in range(2):
        z = torch.cat([record.layers[layer].z for record in records], 1)
        expected = z.mean(1).float()
        torch.testing.assert_close(mean_outputs(model, texts)[layer], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
def test_heads_that_are_not_there_are_refused(models: dict[str, LanguageModel]) -> None:
    for head in ((2, 0), (0, 4), (-1, 0)):
        with (
            pytest.raises(UserError, match="accepted are layers 0 .. 1, heads 0 .. 3"),  # noqa: RUF043
            ablated(models["llama"], [head]),
        ):
            pass
    for heads in ([], [(layer, head) for layer in (0, 1) for head in (0, 1, 2)]):
        with pytest.raises(UserError, match="cannot be compared with as many others"):
            matched_heads(models["llama"], heads, 1, np.random.default_rng(0))


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=10), st.integers(0, 9))
def test_random_sets_match_layer_by_layer(heads: set[Head], seed: int) -> None:
    free = [[(layer, head) for head in range(4) if (layer, head) not in heads] for layer in range(5)]
    wanted = Counter(layer for layer, _ in heads)
    drawn = ablation._draw(wanted, free, np.random.default_rng(seed))
    assert len(drawn) == len(heads) and not drawn & heads
    found = Counter(layer for layer, _ in drawn)
    for layer, count in wanted.items():
        assert found[layer] >= min(count, 4 - count)
    if all(count <= 2 for count in wanted.values()):
        assert found == wanted


def test_the_nearest_layers_help_out() -> None:
    heads = {(2, 0), (2, 1), (2, 2)}
    free = [[(layer, head) for head in range(4) if (layer, head) not in heads] for layer in range(5)]
    for seed in range(20):
        drawn = ablation._draw(Counter({2: 3}), free, np.random.default_rng(seed))
        assert (2, 3) in drawn and {layer for layer, _ in drawn} <= {1, 2, 3}


@pytest.mark.slow
def test_every_head_of_a_layer_is_drawn_alike(models: dict[str, LanguageModel]) -> None:
    sets = matched_heads(models["llama"], [(0, 1), (1, 2)], 300, np.random.default_rng(1))
    counts = Counter(head for one in sets for head in one)
    assert set(counts) == {(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 3)}
    assert all(70 < count < 130 for count in counts.values())
