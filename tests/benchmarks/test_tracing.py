"""Edges are counted as what single rows attribute, and every figure comes out on a small random model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.tracing import EVERYTHING, MOVES, Measured, Size, measure, patched_batch, prompt, times_patching
from interp.circuits.attribution import attribute
from interp.circuits.decomposition import decompose
from interp.circuits.targets import FeatureTarget, LogitTarget
from interp.circuits.trace import trace
from interp.dictionaries import DictionarySet
from interp.dictionaries.topk import TopKDictionary
from interp.models.network import Network
from interp.othello.transformer import OthelloConfig, OthelloTransformer


@pytest.fixture(scope="module")
def model() -> OthelloTransformer:
    config = OthelloConfig(n_layers=2, d_model=32, n_heads=2, d_mlp=64)
    return OthelloTransformer(config, generator=torch.Generator().manual_seed(0)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def dictionaries(model: OthelloTransformer) -> DictionarySet:
    generator, found = torch.Generator().manual_seed(1), {}
    config = {"d_in": 32, "d_sae": 64, "k": 6, "apply_b_dec_to_input": True}
    for site in model.sites:
        dictionary = found[site] = TopKDictionary(config).requires_grad_(False)
        dictionary.W_dec.copy_(torch.nn.functional.normalize(torch.randn(64, 32, generator=generator), dim=-1))
        dictionary.W_enc.copy_(dictionary.W_dec.T)
    return DictionarySet(found)


def test_attributed_edges_are_those_of_single_rows(model: OthelloTransformer, dictionaries: DictionarySet) -> None:
    tokens, following = prompt(0)
    d, root = decompose(Network.from_othello(model), dictionaries, tokens), LogitTarget(following, MOVES - 1)
    graph = trace(d, root, pruning=EVERYTHING)
    expanded = graph.nodes.iloc[np.unique(graph.edge_target)[1:]]
    targets = [FeatureTarget(row.site, row["index"], row.move - 1) for _, row in expanded.iterrows()]
    assert len(targets) > 10
    rows = [attribute(d, target) for target in [root, *targets]]
    single = sum(int((row.contributions != 0).sum()) + (sum(row.biases.values()) != 0) for row in rows)
    assert len(graph.edge_source) == single


def test_patching_edits_one_position_of_each_pass(model: OthelloTransformer) -> None:
    tokens, _ = prompt(0)
    clean, patched = model(tokens[None]), patched_batch(model, tokens)
    moved = (patched - clean).abs().amax(-1) > 1e-6
    first = moved.float().argmax(1)
    assert torch.equal(first[:MOVES], torch.arange(MOVES)) and len(patched) == 64


def test_measures(model: OthelloTransformer, dictionaries: DictionarySet) -> None:
    result = measure(model, dictionaries, Size(games=2, rows=16, correlations=8, repeats=1))
    counts = result["counts"]
    assert counts["attributed_edges"] > counts["sources"] > counts["kept_nodes"] > 0
    assert result["times_patching_attributed_edges"] > result["times_patching_kept_edges"] > 0
    assert result["row_p95_seconds"] >= result["row_p50_seconds"] > 0
    assert -1 <= result["spearman_with_path_patching_median"] <= 1


def test_ratios_count_passes_in_batches() -> None:
    game = Measured({"edges": 6400}, {"decompose": 0.02, "trace": 0.03, "patched_batch": 0.04}, np.ones(1), [])
    assert times_patching(game, "edges") == pytest.approx(100 * 0.04 / 0.05)
