"""A hand-set semantic head is found among random ones, and random heads are not found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch

from interp.heads.index.batches import by_length, make_batch
from interp.heads.index.options import IndexOptions, OvToken
from interp.heads.index.relation_index import RelationIndex
from interp.heads.index.result import Measurement, head_set, stability
from interp.heads.index.statistics import StatisticsOptions
from interp.heads.relations.aligned import AlignedDocument
from interp.models.network import Network
from tests.interp.heads.cases import RecordReader
from tests.interp.heads.planted import documents, planted, random_network

SEEDS = range(50)


def measured(network: Network, texts: list[AlignedDocument], options: IndexOptions) -> Measurement:
    index = RelationIndex(RecordReader(network), options)
    rows = pa.concat_tables([index.measure(make_batch(group, torch.device("cpu"))) for group in by_length(texts)])
    ratios = index.ratios.table().to_pandas()
    return Measurement(
        ds.dataset(rows.unify_dictionaries()), ratios, index.layers, index.heads, ("other", "planted"), options.taus
    )


def of_relation(table: pd.DataFrame, relation: str, direction: str = "forward") -> pd.DataFrame:
    return table[(table.relation == relation) & (table.direction == direction)].reset_index(drop=True)


@pytest.mark.slow
@pytest.mark.parametrize("ov_token", ["current", "attended", "mixed"])
def test_ranked_first_in_fifty_of_fifty(ov_token: OvToken) -> None:
    for seed in SEEDS:
        network, layer, head = planted(seed, ov_token)
        cells = of_relation(
            measured(network, documents(seed), IndexOptions(ov_token=ov_token)).table(statistics=None), "planted"
        )
        for column in ("index", "excess"):
            best = cells.loc[cells[column].idxmax()]
            assert (best["layer"], best["head"]) == (layer, head), (seed, column)
        assert best["index"] > 0.9


def test_planted_head_is_the_only_discovery() -> None:
    network, layer, head = planted(3, "attended")
    measurement = measured(network, documents(3), IndexOptions(ov_token="attended"))
    table = measurement.table(statistics=StatisticsOptions())
    cells = of_relation(table, "planted")
    found = cells[cells.q_value < 0.05]
    assert list(zip(found["layer"], found["head"], strict=True)) == [(layer, head)]
    row = found.iloc[0]
    assert row["low"] <= row["index"] <= row["high"] and row["p_value"] < 2e-4 and row["control"] < 0.1
    silent = table[table.events == 0]
    assert (
        len(silent)
        and (silent["index"] == 0).all()
        and silent[["p_value", "q_value", "low", "high", "excess"]].isna().all(axis=None)
    )
    assert (layer, head) in head_set(table, "planted", "forward", top=3)
    shared = stability(measurement, top=1, taus=(1.5, 2.2, 5.0))
    assert (shared[(shared.relation == "planted") & (shared.direction == "forward")].jaccard == 1).all()


@pytest.mark.slow
def test_control_is_centred_where_nothing_is_planted() -> None:
    excess = []
    for seed in range(40):
        table = measured(random_network(seed), documents(seed), IndexOptions()).table(tau=None, statistics=None)
        excess.append(np.average(table.excess.fillna(0), weights=table.compared))
    assert abs(np.mean(excess)) < 3 * np.std(excess) / len(excess) ** 0.5
    assert np.std(excess) < 0.03


def test_micro_and_macro_averages() -> None:
    measurement = measured(random_network(1), documents(1), IndexOptions())
    rows = measurement.rows.to_table().to_pandas()
    rows = rows[(rows.relation == "other") & (rows.direction == "reverse") & (rows.tau >= 1.5)]
    sums = rows.groupby(["layer", "head", "document", "triplet"], observed=True)[["sum", "events"]].sum()
    sums = sums[sums.events > 0]
    triplets = (sums["sum"] / sums.events).groupby(["layer", "head"]).mean()
    events = sums.groupby(["layer", "head"])["sum"].sum() / sums.groupby(["layer", "head"])["events"].sum()
    for average, expected in (("macro", triplets), ("micro", events)):
        table = measurement.table(tau=1.5, average=average, statistics=None)  # type: ignore[arg-type]
        cells = of_relation(table, "other", "reverse").set_index(["layer", "head"])
        np.testing.assert_allclose(cells["index"].reindex(expected.index), expected, atol=1e-6)
        assert (cells["index"].drop(expected.index) == 0).all() and cells["index"].min() >= 0 and cells["index"].max() <= 1
