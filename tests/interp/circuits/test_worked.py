"""The searches find circuits that were planted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from interp.circuits.decomposition import decompose
from interp.circuits.targets import LogitTarget
from interp.circuits.worked import (
    FlipFeature,
    alternations,
    flip_features,
    legality_logit,
    positional_parity,
    worked_circuits,
)
from interp.models.network import Network
from interp.models.random_network import NetworkShape
from interp.models.record import Record
from interp.othello.games import Games, random_games, tokens, unpack
from interp.othello.notation import SQUARE_OF_TOKEN
from interp.runs.errors import UserError
from tests.interp.circuits.cases import RandomDictionary, random_decomposition

SHAPE = NetworkShape(d_vocab=61, n_ctx=60)


def test_planted_parity_head_has_the_largest_contrast() -> None:
    """A head whose query and key both read a coordinate of the position that flips each move."""
    network = Network.random(SHAPE, torch.Generator().manual_seed(0))
    positions = 0.1 * torch.randn(60, 16, generator=torch.Generator().manual_seed(1))
    positions[:, 0] = torch.tensor([3.0, -3.0]).repeat(30)
    attention = network.layers[1].attention
    W_Q, W_K = attention.W_Q.clone(), attention.W_K.clone()
    W_Q[2], W_K[2] = 0, 0
    W_Q[2, 0, 0], W_K[2, 0, 0] = 3, -3
    layer = replace(network.layers[1], attention=replace(attention, W_Q=W_Q, W_K=W_K))
    network = replace(network, positions=positions, layers=(network.layers[0], layer))
    contrast = positional_parity(decompose(network, {}, torch.randint(0, 60, (30,))))
    assert contrast[1].argmax() == 2
    assert contrast[1, 2] > 1.5


class Oracle(RandomDictionary):
    """Feature 7 exceeds half of its maximum exactly when square 20 was flipped; the others are noise."""

    def __init__(self, games: Games) -> None:
        super().__init__("plain", 16, torch.Generator().manual_seed(0))
        self.truth, self.calls = torch.as_tensor(unpack(games.flipped)), 0

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Noise but for feature 7."""
        acts = (torch.rand(len(x), 20, generator=torch.Generator().manual_seed(self.calls)) > 0.9).float()
        acts[:, 7] = 0.4 + 0.6 * self.truth[self.calls, :, 20].float()
        self.calls += 1
        return acts


def test_planted_flip_feature_is_found() -> None:
    games = random_games(20, seed=3, split="test")
    network = Network.random(SHAPE, torch.Generator().manual_seed(0))
    best = flip_features(network, Oracle(games), "L0M", games, count=3)[0]
    assert best == FlipFeature(7, 20, 1, 1, 1, 0.5)


def test_alternations_are_sorted_and_add_up() -> None:
    d = random_decomposition(SHAPE, ("plain",) * 4, 4, length=12)
    found = alternations(d, "L1A")
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    from interp.circuits.attribution import attribute

    for item in found:
        assert abs(item.even + item.odd - attribute(d, item.target).sums["features"]) < 1e-4


def test_the_search_reports_the_best_of_each() -> None:
    games = random_games(4, seed=3, split="test")
    d = random_decomposition(SHAPE, ("plain",) * 4, 6)
    found = worked_circuits(d.network, d.dictionaries, games, ply=12, heads=2)
    prompt = decompose(d.network, d.dictionaries, torch.as_tensor(tokens(games.moves))[0, :12])
    assert found.alternation == max((one for site in ("L0A", "L1A") for one in alternations(prompt, site)), key=lambda one: one.score)
    assert (found.flip, found.flip_site) == (flip_features(d.network, d.dictionaries["L0M"], "L0M", games, count=1)[0], "L0M")
    contrast = positional_parity(prompt)
    assert found.parity[0][2] == contrast.flatten()[contrast.abs().argmax()] == contrast[found.parity[0][:2]]
    legal = unpack(games.legal)[0, 11].nonzero()[0]
    assert int(SQUARE_OF_TOKEN[found.legality.target.token]) in legal and found.legality.target.position == 11
    with pytest.raises(UserError, match="the search needs dictionaries"):
        worked_circuits(d.network, {"L1M": d.dictionaries["L1M"]}, games)


def test_legality_logit_owes_most_to_the_last_mlp() -> None:
    d = random_decomposition(SHAPE, ("plain",) * 4, 5)
    record: Record = d.record
    assert len(record.tokens) == 6
    best, others = legality_logit(d, range(10)), [legality_logit(d, [token]) for token in range(10)]
    assert best.from_last_mlp == max(other.from_last_mlp for other in others)
    assert isinstance(best.target, LogitTarget)
    assert tokens(random_games(1, seed=1).moves).shape == (1, 60)
