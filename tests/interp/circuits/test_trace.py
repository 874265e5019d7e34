"""Graphs: influence, edges, pruning and export."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
import torch

from interp.circuits.attribution import attribute
from interp.circuits.export import neuronpedia, schema
from interp.circuits.grammar import node_target, othello_target
from interp.circuits.targets import AttentionTarget, FeatureTarget, LogitTarget, Target
from interp.circuits.trace import Pruning, trace
from interp.models.random_network import NetworkShape
from interp.runs.errors import UserError
from tests.interp.circuits.cases import random_decomposition

EVERYTHING = Pruning(expand=0.0, max_per_site=10**6, nodes=1.0, edges=1.0, max_nodes=10**6)
D = random_decomposition(NetworkShape(d_vocab=60), ("plain", "plain", "centred", "transcoder"), 0)
TARGETS: list[Target] = [LogitTarget(3, 5), FeatureTarget("L1A", 4, 4), AttentionTarget(1, 2, 5, 3)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_unpruned_edges_are_the_rows(target: Target) -> None:
    graph = trace(D, target, pruning=EVERYTHING)
    edges = graph.edge_frame()
    into = edges[edges["target"] == target.text]["weight"].sum()
    assert into == pytest.approx(graph.value, rel=1e-3, abs=1e-3)
    for node in graph.nodes[graph.nodes["kind"] == "feature"]["id"].iloc[::17]:
        row = attribute(D, node_target(node, D))
        assert edges[edges["target"] == node]["weight"].sum() == pytest.approx(row.value, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_all_influence_ends_somewhere(target: Target) -> None:
    """With everything followed it ends in what has no inputs."""
    ends, all_ends = trace(D, target).ends, trace(D, target, pruning=EVERYTHING).ends
    assert sum(ends.values()) == pytest.approx(1, abs=1e-5) and sum(all_ends.values()) == pytest.approx(1, abs=1e-5)
    assert ends["features"] > 0 and all_ends["features"] == 0
    nodes = trace(D, target, pruning=EVERYTHING).nodes
    for name, kinds in (("errors", ["error"]), ("embeddings", ["embedding"]), ("biases", ["bias"])):
        assert all_ends[name] == pytest.approx(nodes.loc[nodes["kind"].isin(kinds), "influence"].sum(), abs=1e-5)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_rows_made_again_give_the_same_graph(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with prompts so long that rows are not held."""
    kept = trace(D, target)
    monkeypatch.setattr("interp.circuits.trace._HELD", 0)
    again = trace(D, target)
    assert again.nodes.equals(kept.nodes) and again.edge_frame().equals(kept.edge_frame())


def test_influence_equals_the_power_series() -> None:
    """Circuit-tracer's definition: powers of the row-normalised |adjacency|, from the target."""
    graph = trace(D, TARGETS[0], pruning=EVERYTHING)
    size = len(graph.nodes)
    adjacency = np.zeros((size, size))
    adjacency[graph.edge_target, graph.edge_source] = np.abs(graph.edge_weight)
    adjacency /= np.maximum(adjacency.sum(1, keepdims=True), 1e-30)
    flow, influence = np.eye(size)[0], np.zeros(size)
    while flow.sum() > 1e-12:
        influence += flow
        flow = flow @ adjacency
    np.testing.assert_allclose(graph.nodes["influence"], influence, atol=1e-5)


def test_pruning_keeps_the_strongest_and_only_what_reaches_the_target() -> None:
    full, small = trace(D, TARGETS[0], pruning=EVERYTHING), trace(D, TARGETS[0], pruning=Pruning(max_nodes=20))
    assert 2 < len(small.nodes) <= 21
    assert small.sums == full.sums
    assert set(small.edge_source) == set(range(1, len(small.nodes)))
    dropped = full.nodes[~full.nodes["id"].isin(small.nodes["id"])]["influence"].max()
    assert dropped <= small.nodes["influence"].iloc[1:].max()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.text)
def test_export_is_valid_and_resolves_every_name(target: Target) -> None:
    graph = trace(D, target)
    document = neuronpedia(graph, D, target, scan="random", prompt="a b", prompt_tokens=["a", "b"])
    document = json.loads(json.dumps(document, allow_nan=False))
    jsonschema.validate(document, schema())
    names = {node["node_id"] for node in document["nodes"]}
    assert len(names) == len(document["nodes"])
    assert {end for link in document["links"] for end in (link["source"], link["target"])} <= names
    if isinstance(target, AttentionTarget):
        pairs = document["nodes"][0]["qk_tracing_results"]["pair_wise_contributors"]
        assert {name for query, key, _ in pairs for name in (query, key)} <= names | set(document["qk_only_nodes"])


def test_export_refuses_documents_without_required_fields() -> None:
    with pytest.raises(jsonschema.ValidationError, match="clerp"):
        jsonschema.validate({"metadata": {"slug": "", "scan": "", "prompt": "", "prompt_tokens": []}, "qParams": {}, "links": [],
                             "nodes": [{"node_id": "", "feature": 1, "layer": "0", "ctx_idx": 0, "feature_type": "", "jsNodeId": ""}]}, schema())


def test_targets_read_back_from_their_text() -> None:
    for text in ("logit:c4@3", "logit-mean:a1@6", "feature:L0M/7@2", "attention:L1H3@5,4", "attention-mean:L0H0@6,6"):
        assert othello_target(text, D).text == text
    assert othello_target("logit:c4@3", D) == LogitTarget(26, 2, name="c4")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("logit:d4@3", "centre square"),
        ("logit:c4@7", "positions are 1 .. 6"),
        ("logit:c4@0", "positions are 1 .. 6"),
        ("feature:L2M/1@1", "sites with one: L0A"),
        ("feature:L1M/99@1", "0 .. 19"),
        ("attention:L1H3@2,3", "later key"),
        ("attention:L1H9@3,2", "heads 0 .. 3"),
        ("c4", "accepted are logit:c4@12"),
    ],
)
def test_bad_targets_are_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        othello_target(text, D)


def test_whole_outputs_are_leaves_and_count_as_errors() -> None:
    d = random_decomposition(NetworkShape(), ("none",) * 4, 1)
    graph = trace(d, LogitTarget(2, 5), pruning=EVERYTHING)
    assert set(graph.edge_target) == {0}
    outputs = graph.nodes[graph.nodes["kind"] == "output"]
    assert len(outputs) == 4
    assert outputs["contribution"].sum() == pytest.approx(graph.sums["errors"], abs=1e-4)
    assert torch.isfinite(d.record.logits).all()
