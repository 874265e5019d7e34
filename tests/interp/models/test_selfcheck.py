"""The self-check must pass what is understood and refuse what is not: wrong rotation, wrong key group, wrong sums."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from interp.models import selfcheck
from interp.models.network import Network
from interp.models.rotary import Rotary
from interp.models.selfcheck import TOLERANCE, self_check
from interp.runs.errors import UserError
from tests.interp.models.families import bridge_of

pytestmark = pytest.mark.slow
KINDS = ["gpt2", "llama", "qwen2", "neox"]


@pytest.mark.parametrize("kind", KINDS)
def test_families_pass_far_below_the_tolerance(kind: str) -> None:
    check = self_check(bridge_of(kind), kind)
    assert max(check) < TOLERANCE / 50


def _with_attention(network: Network, **changes: Any) -> Network:
    first = network.layers[0]
    changed = replace(first, attention=replace(first.attention, **changes))
    return replace(network, layers=(changed, *network.layers[1:]))


def _reversed_rotation(network: Network) -> Network:
    return _with_attention(network, rotary=Rotary(-network.layers[0].attention.rotary.frequencies))


def _swapped_groups(network: Network) -> Network:
    return _with_attention(network, W_K=network.layers[0].attention.W_K.flip(0))


def _unscaled(network: Network) -> Network:
    return _with_attention(network, scale=1.0)


@pytest.mark.parametrize("mistake", [_reversed_rotation, _swapped_groups, _unscaled])
def test_a_wrong_reading_of_attention_is_refused(mistake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = bridge_of("llama")
    misread = mistake(Network.from_bridge(bridge))
    monkeypatch.setattr(selfcheck, "read_weights", lambda model: misread)
    with pytest.raises(UserError, match="'m' attends in a way that its weights do not explain"):
        self_check(bridge, "m")


def test_a_wrong_unembedding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = bridge_of("llama")
    network = Network.from_bridge(bridge)
    misread = replace(network, unembedding=network.unembedding.flip(1))
    monkeypatch.setattr(selfcheck, "read_weights", lambda model: misread)
    with pytest.raises(UserError, match="'llama' model computes something else than its family: logits differ"):
        self_check(bridge, "m")


def test_a_stream_that_does_not_add_up_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = bridge_of("llama")
    run = bridge.run_with_cache

    def doubled(*arguments: Any, **named: Any) -> Any:
        logits, cache = run(*arguments, **named)
        changed = {name: value.clone() for name, value in cache.items()}
        for layer in range(2):
            changed[f"blocks.{layer}.hook_mlp_out"] = 2 * cache[f"blocks.{layer}.hook_mlp_out"]
        return logits, changed

    monkeypatch.setattr(bridge, "run_with_cache", doubled)
    with pytest.raises(UserError, match="'m' cannot be taken apart"):
        self_check(bridge, "m")


def test_an_unknown_architecture_is_refused_by_name() -> None:
    bridge = copy.copy(bridge_of("llama"))
    bridge.original_model.config.model_type = "something"
    with pytest.raises(UserError, match="'something' models cannot be traced"):
        self_check(bridge, "m")
