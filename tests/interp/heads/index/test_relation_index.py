"""The context-only relation index against the definition computed by brute force."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch

from interp.heads.index.batches import by_length, make_batch
from interp.heads.index.layers import EmbeddingReader
from interp.heads.index.options import TAUS, IndexOptions
from interp.heads.index.relation_index import RelationIndex
from interp.heads.index.result import Measurement
from interp.heads.index.rows import schema
from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.models.network import Network
from tests.interp.heads.cases import Key, RecordReader, brute_force, random_documents, random_network

CPU = torch.device("cpu")


def measured(network: Network, documents: list[AlignedDocument], options: IndexOptions, *, tokens: int = 2048) -> pa.Table:
    reader = EmbeddingReader(network) if options.source == "embed" else RecordReader(network)
    index = RelationIndex(reader, options, candidates=3)
    return pa.concat_tables([index.measure(make_batch(group, CPU)) for group in by_length(documents, tokens=tokens)])


def by_triplet(rows: pa.Table, tau: float) -> dict[Key, tuple[float, int]]:
    """Rows at and above a level, orders together."""
    found: dict[Key, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for row in rows.to_pylist():
        if row["tau"] >= tau and row["events"]:
            key = tuple(row[name] for name in ("document", "triplet", "direction", "layer", "head"))
            found[key] = (found[key][0] + row["sum"], found[key][1] + row["events"])  # type: ignore[index]
    return dict(found)


def assert_same(found: dict[Key, tuple[float, int]], expected: dict[Key, tuple[float, int]]) -> None:
    assert {key: count for key, (_, count) in found.items()} == {key: count for key, (_, count) in expected.items()}
    for key, (total, count) in expected.items():
        assert found[key][0] == pytest.approx(total, abs=1e-6 * count)


SHAPES = {
    "learned positions, biases": {},
    "rotary, grouped": {"rotary": 4, "n_kv_heads": 2, "centred": False},
    "partly rotary, parallel": {"rotary": 2, "parallel": True},
}


@pytest.mark.parametrize("ov_token", ["current", "attended", "mixed"])
@pytest.mark.parametrize("source", ["resid", "embed"])
@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_definition(shape: str, source: str, ov_token: str, final_norm: bool) -> None:
    network, documents = random_network(3, **SHAPES[shape]), random_documents(5)
    options = IndexOptions(source, ov_token, final_norm)  # type: ignore[arg-type]
    rows = measured(network, documents, options, tokens=50)
    for tau in (0.0, 2.2):
        expected = brute_force(network, documents, options, tau=tau)
        assert len(expected) > 20
        assert_same(by_triplet(rows, tau), expected)


def test_grouped_heads_equal_repeated_heads() -> None:
    grouped = random_network(1, n_kv_heads=2, rotary=4)
    layers = []
    for layer in grouped.layers:
        a = layer.attention
        repeated = {name: getattr(a, name).repeat_interleave(2, 0) for name in ("W_K", "W_V", "b_K", "b_V")}
        layers.append(replace(layer, attention=replace(a, **repeated)))
    documents = random_documents(2)
    for ov_token in ("current", "attended", "mixed"):
        options = IndexOptions(ov_token=ov_token)  # type: ignore[arg-type]
        rows = measured(grouped, documents, options)
        assert len(rows) > 20
        assert_same(by_triplet(measured(replace(grouped, layers=tuple(layers)), documents, options), 0), by_triplet(rows, 0))


def test_float32_is_close_to_float64() -> None:
    network, documents = random_network(4), random_documents(4)
    expected = by_triplet(measured(network, documents, IndexOptions()), 0)
    found = by_triplet(measured(network.to(torch.float32), documents, IndexOptions()), 0)
    assert found.keys() == expected.keys()
    assert max(abs(found[key][0] - expected[key][0]) for key in expected) < 4e-5 * 20


def test_batching_changes_nothing() -> None:
    network, documents = random_network(6), random_documents(6, count=7)
    one = measured(network, documents, IndexOptions(), tokens=1)
    assert_same(by_triplet(measured(network, documents, IndexOptions(), tokens=10**6), 0), by_triplet(one, 0))


def test_constant_added_to_all_logits_changes_nothing() -> None:
    network, documents = random_network(7), random_documents(7)
    shifted = replace(network, unembedding_bias=network.unembedding_bias + 5.0)
    assert_same(
        by_triplet(measured(shifted, documents, IndexOptions()), 0),
        by_triplet(measured(network, documents, IndexOptions()), 0),
    )


def test_heads_that_raise_nothing_have_no_events() -> None:
    network = random_network(8)
    flat = replace(
        network,
        unembedding=torch.zeros_like(network.unembedding),
        unembedding_bias=torch.zeros_like(network.unembedding_bias),
    )
    assert len(measured(flat, random_documents(8), IndexOptions())) == 0


def test_events_fall_with_tau() -> None:
    rows = measured(random_network(9), random_documents(9), IndexOptions(tau=1.7)).to_pandas()
    assert set(rows.tau) <= set(IndexOptions(tau=1.7).taus) and 1.7 in set(rows.tau)
    counts = [rows.events[rows.tau >= tau].sum() for tau in IndexOptions(tau=1.7).taus]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1] > 0


def test_orders_split_the_events() -> None:
    documents = random_documents(10)
    rows = measured(random_network(10), documents, IndexOptions()).to_pandas()
    for document in documents:
        for triplet in document.triplets:
            mine = rows[
                (rows.document == document.name)
                & (rows.triplet == triplet.number)
                & (rows.direction == "forward")
                & (rows.events > 0)
            ]
            possible = {"tail first" if o < s else "head first" for s, o in triplet.pairs}
            assert set(mine.order) <= possible


def test_control_is_the_index_of_its_candidates() -> None:
    """What a row says of a candidate is what the index says of a triplet with that tail."""
    network, tokens = random_network(11), torch.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    true, other = AlignedTriplet("r", 0, ((3, 6),)), AlignedTriplet("q", 1, ((2, 5),))
    rows = measured(network, [AlignedDocument("d", tokens, (true, other))], IndexOptions()).to_pandas()
    swapped = AlignedTriplet("r", 0, ((3, 5),))
    expected = measured(network, [AlignedDocument("d", tokens, (swapped, other))], IndexOptions()).to_pandas()
    mine, theirs = (
        frame[(frame.triplet == 0) & (frame.direction == "forward")].set_index(["layer", "head", "tau"])
        for frame in (rows, expected)
    )
    both = mine.index.intersection(theirs.index)
    assert len(both) > 3
    for key in both:
        assert mine.control_events[key][0] == theirs.events[key]
        assert mine.control_sums[key][0] == pytest.approx(theirs["sum"][key], abs=1e-6)


def test_ratios_count_every_position_once() -> None:
    network, documents = random_network(12), random_documents(12)
    index = RelationIndex(RecordReader(network), IndexOptions())
    batch = make_batch(documents, CPU)
    index.measure(batch)
    positions = sum(len(document.tokens) - 1 for document in documents)
    assert (index.ratios.counts.sum((2, 3)) == positions).all()
    table = index.ratios.table().to_pandas()
    above = table.events[table.ratio >= 2.2].sum()
    expected, sinks = 0, 0
    for document in documents:
        for layer in network.run(document.tokens).layers:
            for pattern in layer.pattern:
                for j in range(1, len(document.tokens)):
                    s = int(pattern[j].argmax())
                    sinks += s == 0
                    others = pattern[j, : j + 1][document.tokens[: j + 1] != document.tokens[s]]
                    expected += not len(others) or float(pattern[j, s] / others.max()) > 2.2
    assert above == expected and table.at_first.sum() == sinks > 0
    shares = Measurement(ds.dataset(schema(1).empty_table()), table, 2, 4, (), TAUS).ratio_shares().set_index("tau")
    assert shares.share[2.2] == expected / table.events.sum() and shares.index.tolist() == [1.5, 2.0, 2.2, 2.5, 3.0, 5.0]
    assert ((shares > 0) & (shares < 1)).all(axis=None)


def test_context_is_the_distinct_tokens_so_far() -> None:
    documents = random_documents(13, count=3, vocab=6)
    batch = make_batch(documents, CPU)
    for row, document in enumerate(documents):
        tokens = document.tokens.numpy()
        for j in range(len(tokens)):
            context = batch.vocabularies[row][: batch.seen[row, j]].tolist()
            assert sorted(context) == sorted(set(tokens[: j + 1].tolist()))
            assert batch.vocabularies[row][batch.place[row, j]] == tokens[j]
            assert batch.first[row, j] == np.flatnonzero(tokens == tokens[j])[0]


@pytest.mark.parametrize("changes", [{"source": "residual"}, {"ov_token": "next"}, {"average": "mean"}, {"tau": 0.5}])
def test_unknown_options_are_refused(changes: dict[str, object]) -> None:
    from interp.runs.errors import UserError

    with pytest.raises(UserError):
        IndexOptions(**changes)  # type: ignore[arg-type]
