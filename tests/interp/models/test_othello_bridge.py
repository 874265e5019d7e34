"""Plain module and Bridge hold the same transformer: logits, every write, patterns; and the trap of its score hook."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from interp.models.network import Network
from interp.models.othello_bridge import to_bridge
from interp.othello.evaluate import batch_of
from interp.othello.games import random_games
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from tests.interp.models.test_network import noisy

pytestmark = pytest.mark.slow
TOKENS = batch_of(random_games(3, seed=1)).tokens


@pytest.fixture(scope="module")
def both() -> tuple[OthelloTransformer, Any, Any]:
    """The module, its Bridge, and the Bridge's cache of TOKENS with its logits under `logits`."""
    model = noisy(OthelloTransformer(OthelloConfig(n_layers=3), generator=torch.Generator().manual_seed(0)))
    assert isinstance(model, OthelloTransformer)
    bridge = to_bridge(model)
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(TOKENS)
    return model, logits, cache


@torch.no_grad()
def test_logits_and_writes(both: tuple[OthelloTransformer, Any, Any]) -> None:
    model, logits, cache = both
    torch.testing.assert_close(logits, model(TOKENS), rtol=1e-4, atol=1e-4)
    for site, written in model.write_sites(TOKENS).items():
        hook = f"blocks.{site[1:-1]}.hook_{'attn' if site.endswith('A') else 'mlp'}_out"
        torch.testing.assert_close(cache[hook], written, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_patterns_and_scores(both: tuple[OthelloTransformer, Any, Any]) -> None:
    model, _, cache = both
    network = Network.from_othello(model)
    for game, tokens in enumerate(TOKENS):
        for layer, record in enumerate(network.run(tokens).layers):
            pattern = cache[f"blocks.{layer}.attn.hook_pattern"][game]
            torch.testing.assert_close(pattern, record.pattern, rtol=1e-4, atol=1e-5)
            q, k = (cache[f"blocks.{layer}.attn.hook_{part}"][game].transpose(0, 1) for part in "qk")
            scores = q @ k.mT * model.config.d_head**-0.5
            torch.testing.assert_close(scores, record.scores, rtol=1e-4, atol=1e-4)


def test_the_score_hook_of_native_models_is_after_the_softmax(both: tuple[OthelloTransformer, Any, Any]) -> None:
    rows = both[2]["blocks.0.attn.hook_attn_scores"].sum(-1)
    torch.testing.assert_close(rows, torch.ones_like(rows))
