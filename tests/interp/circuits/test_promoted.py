"""What a feature writes for is what its direction does to the logits of a real pass."""

from __future__ import annotations

import pytest
import torch

from interp.circuits.promoted import promoted_tokens, with_promoted_tokens
from interp.circuits.targets import LogitTarget
from interp.circuits.trace import trace
from interp.models.network import Edits
from interp.models.random_network import NetworkShape
from tests.interp.circuits.cases import random_decomposition


@pytest.mark.parametrize("centred", [True, False])
def test_tokens_are_those_that_the_direction_raises(centred: bool) -> None:
    d = random_decomposition(NetworkShape(centred=centred), ("plain",) * 4, 1, dtype=torch.float64)
    features = [("L1M", 3), ("L1A", 17), ("L1M", 0)]
    for (site, index), tokens in zip(features, promoted_tokens(d, features, count=4).tolist(), strict=True):
        edits = Edits({"L1M": lambda out, way=d.dictionaries[site].W_dec[index]: out + way}, d.record, frozenset({"scales"}))
        change = (d.network.run(d.record.tokens, edits).logits - d.record.logits)[-1]
        assert tokens == change.topk(4).indices.tolist()


def test_labels_of_features_alone_are_extended() -> None:
    d = random_decomposition(NetworkShape(), ("plain", "plain", "none", "plain"), 2)
    graph = trace(d, LogitTarget(2, 5))
    named = with_promoted_tokens(graph, d, lambda token: f"t{token}")
    features = graph.nodes["kind"] == "feature"
    assert named.nodes.loc[~features].equals(graph.nodes.loc[~features]) and features.any()
    row = named.nodes[features].iloc[0]
    words = [f"'t{token}'" for token in promoted_tokens(d, [(row["site"], row["index"])])[0].tolist()]
    assert row["label"] == f"{row['site']}/{row['index']} {' '.join(words)}"
    assert not graph.nodes["label"].str.contains("'").any()
