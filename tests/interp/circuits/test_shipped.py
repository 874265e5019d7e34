"""On the shipped transformer and sets: exact sums, edges confirmed by intervention, the paper's circuits found again."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr

from interp.circuits.attribution import attribute
from interp.circuits.baselines import path_patching
from interp.circuits.decomposition import Decomposition, decompose
from interp.circuits.faithfulness import faithfulness
from interp.circuits.grammar import node_target, othello_target
from interp.circuits.interventions import ablate
from interp.circuits.trace import ranking, trace
from interp.circuits.worked import legality_logit, worked_circuits
from interp.dictionaries.sets import load_set, shipped_sets
from interp.models.network import Network
from interp.othello.games import random_games, tokens, unpack
from interp.othello.notation import TOKEN_OF_SQUARE
from interp.othello.transformer import load_shipped

SETS = [name for name in ("topk", "l1") if name in shipped_sets()]
TARGETS = ["logit-mean:a1@24", "logit:h7@24", "feature:L2M/5@24", "feature:L4A/17@20", "attention:L1H3@24,13", "attention-mean:L5H0@24,24"]
GAME = random_games(1, seed=4, split="test")
pytestmark = pytest.mark.skipif(not SETS, reason="no set ships yet")


@pytest.fixture(scope="module", params=SETS)
def d(request: pytest.FixtureRequest) -> Decomposition:
    """24 moves of a held-out game."""
    moves = torch.as_tensor(tokens(GAME.moves[0, :24]))
    return decompose(Network.from_othello(load_shipped()), load_set(request.param), moves)


@pytest.mark.parametrize("text", TARGETS)
def test_sums_are_exact(text: str, d: Decomposition) -> None:
    row = attribute(d, othello_target(text, d))
    assert abs(row.residual) <= 1e-4 * row.magnitude


@pytest.mark.parametrize("text", TARGETS[:5])
def test_reported_edges_hold_in_real_passes(text: str, d: Decomposition) -> None:
    goal = othello_target(text, d)
    edges = trace(d, goal).edge_frame()
    # Half of a score's pairs stands at either side, so an edge into one is not what removing a source alone does.
    sample = edges[(edges["source"] != "bias") & ~edges["target"].str.startswith("attention")].sample(6, random_state=3)
    for edge in sample.itertuples():
        target = goal if edge.target == goal.text else node_target(edge.target, d)
        measured = ablate(d, target, [edge.source], frozen=True).measured
        assert measured == pytest.approx(-edge.weight, rel=2e-3, abs=2e-4), edge


def test_direct_contributions_rank_like_path_patching(d: Decomposition) -> None:
    goal = othello_target("feature:L4A/17@20", d)
    contributions = attribute(d, goal).contributions
    strongest = contributions.abs().topk(48).indices
    assert spearmanr(contributions[strongest], path_patching(d, goal, strongest)).statistic > 0.6


def test_few_nodes_carry_a_logit(d: Decomposition) -> None:
    """A thirtieth of the nodes or less, where as many random ones carry nothing."""
    legal = TOKEN_OF_SQUARE[unpack(GAME.legal)[0, 23].nonzero()[0]].tolist()
    goal = legality_logit(d, legal).target
    order = ranking(d, goal)
    shuffled = order[torch.randperm(len(order), generator=torch.Generator().manual_seed(0))]
    nothing, few, everything = faithfulness(d, goal, order, [0, 300, len(order)])
    assert (nothing.fraction, everything.fraction) == (0, pytest.approx(1, abs=1e-3))
    assert 0.6 < few.fraction < 1.5 and abs(faithfulness(d, goal, shuffled, [300])[0].fraction) < 0.4


@pytest.mark.parametrize("name", SETS)
def test_the_paper_s_circuits_are_found(name: str) -> None:
    network, games = Network.from_othello(load_shipped()), random_games(25, seed=11, split="test")
    found = worked_circuits(network, load_set(name), games)
    assert found.legality.from_last_mlp > 0.5 * found.legality.value > 0
    assert found.flip.f1 > 0.5 and found.flip_site in ("L0M", "L1M", "L2M")
    assert found.alternation.score > 0.5
    assert min(abs(contrast) for _, _, contrast in found.parity) > 1.5
