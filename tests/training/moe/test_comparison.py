"""Routers compared in pairs: runs that are not trained twice, tables that say what they hold, differences by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from interp.runs.errors import UserError
from interp.runs.folder import read_manifest
from tests.training.moe.dense import written_model, written_text
from training.moe import comparison as module
from training.moe.comparison import (
    Compared,
    Comparison,
    at_test_time,
    compare,
    differences,
    order_differences,
    spread,
    trained_table,
)
from training.moe.decoder import MoEShape, moe_layers
from training.moe.train import MoETraining
from training.moe.trained import open_trained


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("given")
    training = MoETraining(
        str(written_model(folder)), MoEShape(4, 2), steps=3, batch=4, context=96, text=str(written_text(folder)),
        text_tokens=4_000, held_out_tokens=384, lr=1e-2,
    )  # fmt: skip
    return Comparison(
        training, ks=(1,), variants=("plain", "FR+IR"), seeds=2, capacities=(0.5, 1.0), orders=("confidence", "reverse")
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(scope="module")
def found(settings: Comparison, out: Path) -> Compared:
    return compare(out, settings, device="cpu")


def test_each_router_is_tested_as_trained_and_the_plain_one_under_all(found: Compared) -> None:
    rows = found.rows
    assert len(rows) == 2 * (2 * 2 + 2) and set(rows.capacity) == {0.5, 1.0} and set(rows.seed) == {1, 2}
    counts = rows.groupby(["trained_with", "rectify"]).size().to_dict()
    assert counts == {("plain", "off"): 4, ("plain", "on"): 4, ("FR+IR", "on"): 4}
    assert len(found.orders) == 2 * 2 * 2 and set(found.orders.order) == {"confidence", "reverse"}
    assert 0 <= found.dense["accuracy"] <= 1 < found.dense["loss"]


def test_tables_are_those_of_capacity_k(found: Compared) -> None:
    trained = trained_table(found.rows)
    assert list(trained.trained_with) == ["plain", "FR+IR"] and list(trained.rectify) == ["off", "on"]
    assert set(trained.capacity) == {1.0} and set(trained.seeds) == {2}
    plain = found.rows.query("trained_with == 'plain' and rectify == 'off' and capacity == 1.0").loss
    assert trained.loss[0] == pytest.approx(plain.mean()) and trained.loss_low[0] < plain.mean() < trained.loss_high[0]
    assert list(at_test_time(found.rows).rectify) == ["off", "on"] and set(at_test_time(found.rows).trained_with) == {
        "plain"
    }


def test_differences_are_within_a_seed(found: Compared) -> None:
    table = differences(found.rows)
    assert list(table.trained_with) == ["plain", "FR+IR"] and set(table.rectify) == {"on"}
    rows = found.rows[found.rows.capacity == 1.0]
    plain = rows.query("trained_with == 'plain' and rectify == 'off'").set_index("seed").loss
    both = rows.query("trained_with == 'FR+IR'").set_index("seed").loss
    by_hand = both - plain
    row = table.iloc[1]
    assert row.loss == pytest.approx(by_hand.mean())
    assert row.loss_high - row.loss == pytest.approx(12.7062 * by_hand.std() / 2**0.5, rel=1e-4)  # t, one degree of freedom


def test_orders_are_told_against_confidence_at_the_same_capacity(found: Compared) -> None:
    table = order_differences(found.orders)
    assert list(table.order) == ["reverse", "reverse"] and list(table.capacity) == [0.5, 1.0]
    wide = found.orders[found.orders.capacity == 0.5].pivot(index="seed", columns="order", values="loss")
    assert table.loss[0] == pytest.approx((wide.reverse - wide.confidence).mean())
    assert table.dropped.abs().max() < 1e-2  # later layers see other inputs


def test_nothing_is_trained_or_measured_twice(
    found: Compared, settings: Comparison, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*words: object, **options: object) -> None:
        raise AssertionError

    finished = read_manifest(out / "top-1_plain_1")["finished"]
    for name in ("train", "evaluate"):
        monkeypatch.setattr(module, name, forbidden)
    again = compare(out, settings, device="cpu")
    pd.testing.assert_frame_equal(again.rows, found.rows)
    pd.testing.assert_frame_equal(again.orders, found.orders)
    assert read_manifest(out / "top-1_plain_1")["finished"] == finished
    with pytest.raises(UserError, match="top-1_plain_1 was trained with other settings; take another folder"):
        compare(out, replace(settings, training=replace(settings.training, lr=1e-3)), device="cpu")


def test_a_measurement_that_was_cut_short_is_taken_up(found: Compared, settings: Comparison, out: Path) -> None:
    (out / "top-1_plain_2/orders.parquet").unlink()
    pd.testing.assert_frame_equal(compare(out, settings, device="cpu").orders, found.orders)


def test_experts_part_in_training(found: Compared, settings: Comparison, out: Path) -> None:
    table = spread(out, settings)
    assert list(table.trained_with) == ["plain", "FR+IR"] and table.apart.between(1e-3, 1).all()
    model, apart = open_trained(out / "top-1_plain_1", device="cpu").model, []
    for layer in moe_layers(model).values():
        for weight in layer.experts.parameters():
            mean = weight.detach().mean(0)
            apart += [float((one - mean).norm() / mean.norm()) for one in weight.detach()]
    assert spread(out, replace(settings, seeds=1)).apart[0] == pytest.approx(sum(apart) / len(apart), rel=1e-5)


def test_other_capacities_are_measured_anew(found: Compared, settings: Comparison, out: Path) -> None:
    again = compare(out, replace(settings, seeds=1, capacities=(1.0, 1.5)), device="cpu").rows
    assert set(again.capacity) == {1.0, 1.5}
    before = found.rows.query("capacity == 1.0 and seed == 1").reset_index(drop=True)
    pd.testing.assert_frame_equal(again.query("capacity == 1.0").reset_index(drop=True), before)


def test_unknown_routers_are_refused(settings: Comparison, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown router 'RR'"):
        compare(tmp_path, replace(settings, variants=("plain", "RR")), device="cpu")
