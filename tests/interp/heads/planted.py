"""Networks with one hand-set head that attends to the head word and raises the tail, among random heads."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from interp.heads.index.options import OvToken
from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.models.network import Attention, Network
from interp.models.random_network import NetworkShape

PAIRS = 4
"""Words 0 .. 3 are heads, 4 .. 7 their tails, all others fill."""
VOCAB = 40
SHAPE = NetworkShape(
    n_layers=3, d_model=48, n_heads=4, n_kv_heads=2, d_head=8, d_mlp=16, d_vocab=VOCAB, centred=False, rotary=2, biases=False
)
SHARP = 40.0
_ROTATED = 2


class Planted(NamedTuple):
    network: Network
    layer: int
    head: int


def random_network(seed: int) -> Network:
    """No head knows anything; layers write little, so that the words stay readable in all of them."""
    network = Network.random(SHAPE, torch.Generator().manual_seed(seed)).to(torch.float64)
    layers = tuple(
        replace(
            layer,
            attention=replace(layer.attention, W_O=0.1 * layer.attention.W_O),
            mlp=replace(layer.mlp, W_out=0.1 * layer.mlp.W_out),
        )
        for layer in network.layers
    )
    return replace(network, layers=layers)


def planted(seed: int, ov_token: OvToken) -> Planted:
    """A head at a random place. What it raises is written by the attended word's value, or by every word's."""
    network, generator = random_network(seed), np.random.default_rng(seed)
    layer, head = int(generator.integers(SHAPE.n_layers)), int(generator.integers(SHAPE.n_heads))
    attention = _set_head(network, network.layers[layer], head, ov_token)
    layers = list(network.layers)
    layers[layer] = replace(layers[layer], attention=attention)
    return Planted(replace(network, layers=tuple(layers)), layer, head)


def _set_head(network: Network, layer, head: int, ov_token: OvToken) -> Attention:  # type: ignore[no-untyped-def]
    """Readers are dual to the embeddings, writers to the unembedding: a word is read or raised, and no other."""
    readers = torch.linalg.pinv(network.embedding) / layer.norm_attention.weight[:, None]
    writers = torch.linalg.pinv(network.unembedding)
    W_Q, W_K, W_V, W_O, b_Q, b_V = (
        getattr(layer.attention, name).clone() for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_V")
    )
    group = head // (SHAPE.n_heads // SHAPE.n_kv_heads)
    W_Q[head], W_V[group], W_O[head] = 0.0, 0.0, 0.0
    b_Q[head, _ROTATED] = SHARP
    W_K[group, :, _ROTATED] = readers[:, :PAIRS].sum(1)
    if ov_token == "current":
        b_V[group, 0] = 1.0
        W_O[head, 0] = writers[PAIRS : 2 * PAIRS].sum(0)
    else:
        W_V[group, :, :PAIRS] = readers[:, :PAIRS]
        W_O[head, :PAIRS] = writers[PAIRS : 2 * PAIRS]
    return replace(layer.attention, W_Q=W_Q, W_K=W_K, W_V=W_V, W_O=W_O, b_Q=b_Q, b_V=b_V)


def documents(seed: int, *, count: int = 30) -> list[AlignedDocument]:
    """A head word, its tail and filling words at random places; triplets of filling words beside."""
    generator, found = np.random.default_rng(seed), []
    for number in range(count):
        tokens = generator.integers(2 * PAIRS, VOCAB, size=int(generator.integers(16, 24)))
        s, o, *rest = generator.choice(len(tokens) - 6, 10, replace=False).tolist()
        pair = int(generator.integers(PAIRS))
        tokens[s], tokens[o] = pair, pair + PAIRS
        triplets = [AlignedTriplet("planted", 0, ((s, o),))]
        triplets += [AlignedTriplet("other", index + 1, ((rest[2 * index], rest[2 * index + 1]),)) for index in range(4)]
        found.append(AlignedDocument(f"d{number}", torch.as_tensor(tokens), tuple(triplets)))
    return found
