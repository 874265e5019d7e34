"""Completeness of every kind of target, and equality with autograd under the same stop-gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.circuits.attention_pairs import attention_pairs
from interp.circuits.attribution import attribute, attribute_by_head, contributions, readout
from interp.circuits.decomposition import Decomposition
from interp.circuits.sources import Kind
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target
from interp.models.network import Edits
from interp.models.random_network import NetworkShape
from tests.interp.circuits.cases import LAYOUTS, SEEDS, SHAPES, random_decomposition

FULL = ("plain", "centred") * 2


def targets_of(d: Decomposition) -> list[Target]:
    """Every kind of target, at early and late positions, self-attention and centred forms included."""
    last = len(d.record.tokens) - 1
    targets: list[Target] = [LogitTarget(3, last), LogitTarget(3, 0, minus_mean_of=tuple(range(8)))]
    targets += [FeatureTarget(site, 5, position) for site in d.dictionaries for position in (0, last - 1)]
    for layer in (0, 1):
        targets += [AttentionTarget(layer, 3, last, 2), AttentionTarget(layer, 1, last, last)]
        targets.append(AttentionTarget(layer, 2, last, 1, minus_mean=True))
    return targets


@settings(max_examples=40, deadline=None)
@given(SHAPES, LAYOUTS, SEEDS, st.integers(0, 3))
def test_contributions_add_up_to_the_value(shape: NetworkShape, layout: tuple[str, ...], seed: int, skipped: int) -> None:
    d = random_decomposition(shape, layout, seed, skipped=skipped)
    for target in targets_of(d):
        row = attribute(d, target)
        assert abs(row.residual) <= 1e-4 * row.magnitude, target
        by_source = float(row.contributions.double().sum()) + sum(row.biases.values())
        assert abs(row.value - by_source) <= 1e-4 * row.magnitude, target


@settings(max_examples=15, deadline=None)
@given(SHAPES, LAYOUTS, SEEDS)
def test_sources_add_up_to_the_residual_stream(shape: NetworkShape, layout: tuple[str, ...], seed: int) -> None:
    d = random_decomposition(shape, layout, seed)
    total = torch.zeros_like(d.record.resid_final).index_add_(0, d.sources.position, d.sources.vectors)
    torch.testing.assert_close(total, d.record.resid_final, atol=1e-4, rtol=1e-4)


def test_positions_where_dictionaries_do_not_apply_stay_whole() -> None:
    table = random_decomposition(NetworkShape(), FULL, 1, skipped=2).sources
    early = (table.position < 2) & (table.order > 0)
    assert set(table.kind[early].tolist()) == {Kind.OUTPUT}
    assert set(table.kind[(table.position >= 2) & (table.order > 0)].tolist()) == {Kind.FEATURE, Kind.ERROR, Kind.BIAS}


def gradient(d: Decomposition, target: Target, source: int) -> float:
    """d(value) / d(size of a source) by autograd, with patterns, scales, gates and all later writes stopped."""
    size = torch.zeros((), dtype=d.sources.vectors.dtype, requires_grad=True)
    order, position = int(d.sources.order[source]), int(d.sources.position[source])
    place = torch.zeros_like(d.record.resid_final)
    place[position] = d.sources.vectors[source]
    site = "embed" if order == 0 else d.network.sites[order - 1]
    edits = Edits({site: lambda out: out + size * place}, d.record, frozenset({"patterns", "scales", "gates", "writes"}))
    record = d.network.run(d.record.tokens, edits)
    if isinstance(target, LogitTarget):
        value = record.logits[target.position, target.token]
    elif isinstance(target, AttentionTarget):
        value = record.layers[target.layer].scores[target.head, target.query, target.key]
    else:
        dictionary = d.dictionaries[target.site]
        layer = record.layers[int(target.site[1:-1])]
        x = layer.mlp_normed if dictionary.architecture == "transcoder" else record.output(target.site)
        value = x[target.position] @ dictionary.W_enc[:, target.index].to(x.dtype)
    return float(torch.autograd.grad(value, size)[0]) if value.requires_grad else 0.0


@settings(max_examples=12, deadline=None)
@given(SHAPES, LAYOUTS, SEEDS)
def test_contributions_equal_stopped_gradients(shape: NetworkShape, layout: tuple[str, ...], seed: int) -> None:
    d = random_decomposition(shape, layout, seed, dtype=torch.float64)
    picks = torch.randperm(len(d.sources.kind), generator=torch.Generator().manual_seed(seed))[:12].tolist()
    last = len(d.record.tokens) - 1
    targets: list[Target] = [LogitTarget(1, last), AttentionTarget(1, 2, last, 3)]
    targets += [FeatureTarget(site, 4, last) for site in d.dictionaries]
    for target in targets:
        # A score's sources are halved between its two sides, and the gradient of a product is the sum of both.
        sides = 2 if isinstance(target, AttentionTarget) else 1
        row = attribute(d, target).contributions
        for source in picks:
            assert float(row[source]) * sides == pytest.approx(gradient(d, target, source), abs=1e-9), (target, source)


def test_heads_add_up_to_the_row() -> None:
    d = random_decomposition(NetworkShape(n_kv_heads=2), FULL, 3)
    target = FeatureTarget("L1A", 2, 5)
    torch.testing.assert_close(attribute_by_head(d, target).sum(0), attribute(d, target).contributions, atol=1e-5, rtol=1e-4)


def test_pairs_give_the_row_as_half_of_both_margins() -> None:
    d = random_decomposition(NetworkShape(rotary=4), FULL, 4)
    target = AttentionTarget(1, 1, 4, 2)
    pairs, row = attention_pairs(d, target), attribute(d, target).contributions
    torch.testing.assert_close(pairs.matrix.sum(1)[:-1] / 2, row[pairs.query_sources], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(pairs.matrix.sum(0)[:-1] / 2, row[pairs.key_sources], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("block", [1, 100, 2**24])
def test_summaries_of_pairs_are_those_of_the_whole_matrix(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interp.circuits.attention_pairs._BLOCK", block)
    d = random_decomposition(NetworkShape(n_kv_heads=2), ("plain", "none", "centred", "plain"), 7, dtype=torch.float64)
    pairs = attention_pairs(d, AttentionTarget(1, 1, 5, 2, minus_mean=True))
    matrix = pairs.matrix
    by_query, by_key = pairs.margins()
    torch.testing.assert_close(by_query, matrix.sum(1))
    torch.testing.assert_close(by_key, matrix.sum(0))
    order = matrix.flatten().abs().argsort(descending=True)[:20]
    top = pairs.top(20)
    assert top["contribution"].tolist() == pytest.approx(matrix.flatten()[order].tolist())
    assert [pairs.query_ids.index(name) * len(pairs.key_ids) + pairs.key_ids.index(key) for name, key in zip(top["query_id"], top["key_id"], strict=True)] == order.tolist()
    ranks = {Kind.ERROR: 0, Kind.OUTPUT: 0, Kind.FEATURE: 1, Kind.TOKEN: 2, Kind.POSITION: 2, Kind.BIAS: 3}
    rank = [torch.tensor([*(ranks[Kind(kind)] for kind in d.sources.kind[side].tolist()), 3]) for side in (pairs.query_sources, pairs.key_sources)]
    joint = torch.minimum(rank[0][:, None], rank[1])
    for code, name in enumerate(("errors", "features", "embeddings", "biases")):
        assert pairs.sums[name] == pytest.approx(float(matrix[joint == code].sum()), abs=1e-12)
    factors = torch.rand(matrix.shape[0], dtype=torch.float64), torch.rand(matrix.shape[1], dtype=torch.float64)
    assert pairs.scaled(*factors) == pytest.approx(float(factors[0] @ matrix @ factors[1]))


def test_an_error_on_either_side_makes_a_pair_an_error() -> None:
    d = random_decomposition(NetworkShape(), ("none",) * 4, 5)
    pairs = attention_pairs(d, AttentionTarget(1, 0, 3, 1))
    # Token, position and two whole outputs at each side, then the biases: only pairs of the first two and the last are free.
    free = pairs.matrix[[0, 1, 4]][:, [0, 1, 4]].double()
    assert pairs.sums["errors"] == pytest.approx(float(pairs.matrix.double().sum() - free.sum()), abs=1e-6)
    assert pairs.sums["features"] == 0
    assert pairs.sums["biases"] == pytest.approx(float(free[-1, -1]), abs=1e-6)


def test_batched_rows_equal_single_rows() -> None:
    from interp.circuits.readouts import feature_readouts

    d = random_decomposition(NetworkShape(), FULL, 6)
    for site in d.dictionaries:
        targets = [FeatureTarget(site, index, position) for index, position in ((0, 5), (3, 2), (7, 5))]
        batch = contributions(d, feature_readouts(d, targets))
        single = torch.cat([contributions(d, readout(d, target)) for target in targets])
        torch.testing.assert_close(batch, single)
