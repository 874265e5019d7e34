"""A replay under the recorded rules gives the recorded rows; under others, the plan of those; numbers are counted by hand."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.runs.errors import UserError
from tests.training.moe.dense import dense
from tests.training.moe.made_records import ROW_BYTES, Letters, made_logits, made_tokens, write_records
from tests.training.moe.tiny import tiny
from training.moe.baselines import ROUTERS
from training.moe.decoder import MoEShape, record_pass
from training.moe.families import gates
from training.moe.health import COUNTS, MEASURES, bands, by_expert, health, loads_of, over_steps
from training.moe.plan import Request, route
from training.moe.record_files import Recorded, Records, write_json_lines
from training.moe.records import RecordWriter, Routed, Tokens
from training.moe.replay import (
    STATES,
    Replay,
    between_ranks,
    compare,
    moves,
    replay,
    replayed_rows,
    rows_between_ranks,
    states,
)
from training.moe.rules import Rules
from training.moe.upcycle import upcycle
from training.moe.wrap import RoutedModel

BOTH = Rules(k=2, capacity=1.5, fill="own", rectify=True)


@pytest.mark.parametrize("rules", [
    BOTH, Rules(k=1, capacity=1.0), Rules(k=2, capacity=math.inf), Rules(k=1, capacity=0.5, fill="top1"),
    Rules(k=2, capacity=1.0, order="random", seed=3, rectify=True, unrouted="any", scale="code"),
    Rules(k=2, capacity=1.1, order="position", detach=False),
])  # fmt: skip
def test_the_recorded_rules_give_the_recorded_rows(tmp_path: Path, rules: Rules) -> None:
    plans = write_records(tmp_path, rules)
    records = Records.open(tmp_path)
    for step, layer in plans:
        pd.testing.assert_frame_equal(replayed_rows(records, step, layer), records.routes(step, layer))


@pytest.mark.parametrize("router", ["expert choice", "BASE"])
def test_other_routers_are_replayed_as_themselves(tmp_path: Path, router: str) -> None:
    logits, rules = made_logits(2, 16, 4), Rules(k=1, capacity=1.0)
    writer = RecordWriter(tmp_path)
    writer.add(0, 0, made_tokens(), Routed(ROUTERS[router](Request.softmax(logits), rules), logits, router=router))
    writer.flush()
    records = Records.open(tmp_path)
    pd.testing.assert_frame_equal(replayed_rows(records, 0, 0), records.routes(0, 0))


@pytest.mark.parametrize("order", ["confidence", "random"])
@pytest.mark.parametrize("family", ["mixtral", "olmoe", "qwen2", "deepseek v2", "deepseek v3"])
def test_what_a_family_did_is_replayed_weights_too(tmp_path: Path, family: str, order: str) -> None:
    model = tiny(family)
    rules = Rules(gates(model)[0].k, 1.5, fill="own", rectify=True, order=order, seed=3)  # type: ignore[arg-type]
    ids, writer = torch.randint(3, 50, (3, 9), generator=torch.Generator().manual_seed(0)), RecordWriter(tmp_path)
    with torch.no_grad(), RoutedModel(model, rules, ranks=2) as routed:
        for step in range(2):
            model(ids)
            for layer, passed in routed.passed():
                writer.add(step, layer, Tokens.of(ids, Letters()), passed)
    writer.flush()
    records = Records.open(tmp_path)
    for step, layer in records.passes.index:
        written = records.routes(step, layer)
        assert 0 < written["kept"].sum() < len(written)
        pd.testing.assert_frame_equal(replayed_rows(records, step, layer), written)
    assert (len(set(records.passes["seed"])) == len(records.passes)) == (order == "random")


def test_what_our_layers_did_in_random_order_is_replayed(tmp_path: Path) -> None:
    model = upcycle(dense(vocab_size=50), MoEShape(4, 2), Rules(2, 1.0, order="random", rectify=True))
    ids, writer = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(0)), RecordWriter(tmp_path)
    record_pass(model, Letters(), ids, writer, step=5)
    record_pass(model, Letters(), ids, writer, step=6, domains=["prose", "code"])
    records = Records.open(tmp_path)
    assert records.domains.to_dict() == {0: "prose", 1: "code"}
    assert len(set(records.passes["seed"])) == len(records.passes)
    for step, layer in records.passes.index:
        pd.testing.assert_frame_equal(replayed_rows(records, step, layer), records.routes(step, layer))


def test_records_without_a_mass_are_of_weights_that_sum_to_one(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH, steps=1)
    path = next((tmp_path / "logits").iterdir())
    pd.read_parquet(path).drop(columns="mass").to_parquet(path)
    records = Records.open(tmp_path)
    pd.testing.assert_frame_equal(replayed_rows(records, 0, 1), records.routes(0, 1))


def test_other_rules_give_their_plan(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    records, other = Records.open(tmp_path), Rules(k=1, capacity=0.75)
    expected = route(Request.softmax(made_logits(2, 16, 4, seed=11)), other)
    found = replay(records, 1, 1, other).plan
    assert torch.equal(found.routes.token, expected.routes.token) and torch.equal(found.dropped, expected.dropped)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000), st.integers(1, 3), st.sampled_from([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf]),
    st.sampled_from(["off", "own", "top1"]), st.booleans(),
)  # fmt: skip
def test_identities(seed: int, k: int, capacity: float, fill: str, rectify: bool) -> None:
    logits = made_logits(2, 12, 6, seed=seed)
    plan = route(Request.softmax(logits), Rules(k, capacity, fill, rectify))  # type: ignore[arg-type]
    loads = loads_of(plan)
    assert (loads["demand"] == loads["kept"] + loads["dropped"]).all() and loads["demand"].sum() == 24 * k
    assert (loads["slots"] == loads["kept"] + loads["filled"] + loads["padding"]).all() and (loads["padding"] >= 0).all()
    plain = route(Request.softmax(logits), Rules(k, capacity))
    assert plan.slots == plain.slots and torch.equal(plan.kept, plain.kept)
    local = plan.stand_ins.expert // 3 == plan.rank(plan.stand_ins.token)
    assert local.all()
    fare, routes = states(plan), plan.routes_of_tokens().flatten().numpy()
    assert ((fare == 0) == (routes >= k)).all() and ((fare >= 2) == (routes == 0)).all()
    assert not (rectify and (fare == 3).any()) and not (not rectify and (fare == 2).any())
    between = rows_between_ranks(plan)
    assert 0 <= between["useful"] <= between["sent"] == plan.slots * 6


def test_comparison_is_the_sum_of_plans_and_moves_are_tokens(tmp_path: Path) -> None:
    plans = write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    plain = dataclasses.replace(BOTH, fill="off", rectify=False)
    table = compare(records, plans, {"recorded": None, "plain": plain}).set_index("variant")
    for name in ("kept", "dropped", "filled", "rectified", "padding"):
        assert table.at["recorded", name] == sum(int(getattr(plan, name).sum()) for plan in plans.values())
    assert table.at["plain", "filled"] == table.at["plain", "rectified"] == table.at["plain", "stand-in only"] == 0
    assert table.at["plain", "kept"] == table.at["recorded", "kept"]
    sent = sum(plan.slots * 4 for plan in plans.values())
    assert table.at["plain", "sent"] == sent and table.at["plain", "sent_bytes"] == 2 * ROW_BYTES * sent
    assert table.at["plain", "useful_bytes"] == 2 * ROW_BYTES * table.at["plain", "useful"]
    assert (table[list(STATES)].sum(axis=1) == 4 * 32).all()
    flow = moves(replay(records, 0, 0, plain), replay(records, 0, 0))
    assert flow.to_numpy().sum() == 32 and flow["no expert"].sum() == 0
    assert np.tril(flow.to_numpy(), -1).sum() + np.diag(flow).sum() == 32, "rectification leaves no token worse off"


def test_health_by_hand() -> None:
    demand = np.array([[6, 2, 0, 0]])
    loads = pd.DataFrame({
        "step": 0, "layer": 5, "rank": 0, "expert": range(4), "demand": demand[0], "kept": [3, 2, 0, 0],
        "dropped": [3, 0, 0, 0], "filled": [0, 1, 1, 0], "rectified": [2, 0, 0, 0], "padding": [0, 0, 2, 3], "slots": 3,
    })  # fmt: skip
    found = health(loads, pd.Series({(0, 5): 1.5})).loc[(0, 5)]
    assert set(found.index) == set(MEASURES)
    assert (found["drop"], found["rectified"], found["violation"]) == (3 / 8, 2 / 8, 2.0)
    assert found["padding"] == 5 / 12 and found["dead"] == 2 and found["balance"] == 1.5
    assert found["cv"] == pytest.approx(np.std([3, 1, 0, 0])) and found["entropy"] == pytest.approx(
        0.5623 / np.log(4), abs=1e-4
    )
    assert by_expert(loads)["utilisation"].tolist() == [3, 1, 0, 0]
    band = bands(loads).iloc[0]
    assert (band["min"], band["median"], band["max"], band["drop"]) == (0, 0.5, 3, 3 / 8)


def test_bytes_of_a_layer_are_those_of_the_paper_notes() -> None:
    """G ranks send 2 E C d (1 - 1/G) numbers each, to the experts and back."""
    ranks, experts, width = 4, 8, 16
    logits = made_logits(ranks, 32, experts)
    plan = route(Request.softmax(logits), Rules(2, 2.0))
    found = Replay(Recorded(made_tokens(), Request.softmax(logits), logits, {"row_bytes": 2 * width}), Routed(plan, logits))
    assert between_ranks(found)["sent_bytes"] == ranks * 2 * experts * plan.slots * width * (1 - 1 / ranks) * 2
    unknown = found._replace(recorded=found.recorded._replace(settings={"row_bytes": math.nan}))
    assert between_ranks(unknown) == rows_between_ranks(found.plan)


def test_bytes_are_told_where_all_passes_have_them(tmp_path: Path) -> None:
    plans = write_records(tmp_path, BOTH)
    part = tmp_path / "passes" / "part-00000.parquet"
    pd.read_parquet(part).assign(row_bytes=[None, ROW_BYTES]).to_parquet(part)
    assert "sent_bytes" not in compare(Records.open(tmp_path), plans, {"recorded": None})
    assert "sent_bytes" in compare(Records.open(tmp_path), [(0, 1), (1, 0)], {"recorded": None})


def test_steps_together_are_rates_of_sums_and_means() -> None:
    measures = pd.DataFrame(
        {"drop": [0.5, 0.1], "padding": 0.2, "rectified": 0.0, "violation": [2.0, 1.0], "dead": [1, 0]},
        index=pd.MultiIndex.from_tuples([(0, 3), (1, 3)], names=["step", "layer"]),
    )
    counts = pd.DataFrame(0.0, measures.index, list(COUNTS)).assign(dropped=[5, 9], demand=[10, 90], slots=20, padding=4)
    found = over_steps(measures, counts).loc[3]
    assert found["drop"] == 0.14 and found["padding"] == 0.2 and (found["violation"], found["dead"]) == (1.5, 0.5)
    assert over_steps(measures.loc[[0]], counts.loc[[0]]).loc[3].to_dict() == measures.loc[(0, 3)].to_dict()


def test_unknown_slots_leave_padding_empty(tmp_path: Path) -> None:
    write_records(tmp_path, BOTH)
    records = Records.open(tmp_path)
    write_json_lines(tmp_path / "a.jsonl", records.routes(0))
    found = Records.open(tmp_path / "a.jsonl")
    assert health(found.loads)["padding"].isna().all() and health(found.loads)["drop"].notna().all()
    with pytest.raises(UserError, match="no router logits"):
        replay(found, 0, 0)
