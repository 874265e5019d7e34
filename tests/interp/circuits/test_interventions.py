"""Reported edges against real forward passes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from interp.circuits.attribution import attribute
from interp.circuits.grammar import node_target
from interp.circuits.interventions import DIRECT, PATH, ablate, edited_run, value_in
from interp.circuits.naming import find_sources, node_ids
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target
from interp.circuits.trace import Pruning, trace
from interp.models.random_network import NetworkShape
from interp.runs.errors import UserError
from tests.interp.circuits.cases import LAYOUTS, SEEDS, SHAPES, random_decomposition

FULL = ("plain", "centred", "plain", "transcoder")


@settings(max_examples=10, deadline=None)
@given(SHAPES, LAYOUTS, SEEDS)
def test_a_sample_of_edges_holds_in_frozen_passes(shape: NetworkShape, layout: tuple[str, ...], seed: int) -> None:
    d = random_decomposition(shape, layout, seed, dtype=torch.float64)
    goal: Target = LogitTarget(3, 5)
    edges = trace(d, goal, pruning=Pruning(expand=0.0)).edge_frame()
    sample = edges[edges["source"] != "bias"].sample(frac=0.05, random_state=seed % 2**31).head(20)
    for edge in sample.itertuples():
        target = goal if edge.target == goal.text else node_target(edge.target, d)
        outcome = ablate(d, target, [edge.source], factor=0.0, frozen=True)
        assert outcome.measured == pytest.approx(-edge.weight, abs=1e-9), edge


@settings(max_examples=10, deadline=None)
@given(SHAPES, SEEDS)
def test_scaling_many_nodes_of_a_score_moves_it_as_foretold(shape: NetworkShape, seed: int) -> None:
    d = random_decomposition(shape, FULL, seed, dtype=torch.float64)
    for target in (AttentionTarget(1, 2, 5, 3), AttentionTarget(1, 0, 4, 4), AttentionTarget(1, 1, 5, 2, minus_mean=True)):
        nodes = node_ids(d, attribute(d, target).contributions.nonzero()[::3, 0])
        outcome = ablate(d, target, nodes, factor=-0.5, frozen=True)
        assert outcome.measured == pytest.approx(outcome.predicted, abs=1e-9)


def test_removing_every_source_leaves_the_biases() -> None:
    d = random_decomposition(NetworkShape(), FULL, 2, dtype=torch.float64)
    target = LogitTarget(1, 4)
    row = attribute(d, target)
    nodes = node_ids(d, row.contributions.nonzero()[:, 0])
    outcome = ablate(d, target, nodes, frozen=True)
    assert row.value + outcome.measured == pytest.approx(sum(row.biases.values()))


def test_unfrozen_passes_react() -> None:
    d = random_decomposition(NetworkShape(), FULL, 3, dtype=torch.float64)
    outcome = ablate(d, FeatureTarget("L1M", 2, 5), ["token@6"])
    assert abs(outcome.measured - outcome.predicted) > 1e-3
    assert not torch.allclose(outcome.logits_before, outcome.logits_after)


def test_path_patching_leaves_other_sites_alone() -> None:
    """With writes held, a source of L0A moves L1M's pre-activation but not through L1A."""
    d = random_decomposition(NetworkShape(), FULL, 4, dtype=torch.float64)
    source = find_sources(d, ["error:L0A@6"])
    edited = edited_run(d, [source], factor=0.0, freeze=PATH)
    torch.testing.assert_close(edited.layers[1].resid_mid[0, 5], d.record.layers[1].resid_mid[5] - d.sources.vectors[source][0])
    direct = edited_run(d, [source], factor=0.0, freeze=DIRECT)
    target = FeatureTarget("L1M", 2, 5)
    assert float(value_in(d, edited, target)[0]) != pytest.approx(float(value_in(d, direct, target)[0]), abs=1e-6)


@pytest.mark.parametrize("node", ["L9M/0@1", "token@9", "L0A/19000@1", "bias", "nonsense", "token@0"])
def test_unknown_nodes_are_refused(node: str) -> None:
    d = random_decomposition(NetworkShape(), FULL, 5)
    with pytest.raises(UserError, match="is no node of this prompt"):
        ablate(d, LogitTarget(1, 4), [node])
