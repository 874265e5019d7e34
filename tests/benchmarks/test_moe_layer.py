"""The benchmark of the MoE layer at a small size: every figure, and the floor's number of products."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks import moe_layer
from benchmarks.moe_layer import BOTH, Floor, Size, compare, made_layer, memory, planning, routing, targets

SMALL = Size(16, 24, 64, (4,), (256,), 64, 1)


def test_the_layer_and_its_peers_compute_the_same() -> None:
    found = compare(SMALL, 4)
    assert found["relative_difference"] < 1e-5 and 0 < found["share_of_matrix_products"] < 1
    assert found["times_faster_peer"] > 0 and found["times_faster_peer_with_backward"] > 0


def test_planning_counts_the_rows_that_stand_ins_add() -> None:
    found = planning(SMALL, 4, ranks=4)
    assert 64 < found["rows_in_slots"] <= 4 * 4 * 8 and 0 < found["planning_share_of_layer"] < 1
    assert found["rows_of_stand_ins"] >= 0 and routing(256, 1, experts=8)["microseconds_a_token"] > 0


def test_dense_dispatch_takes_the_memory_of_its_tensor() -> None:
    lists, dense = memory(Size(16, 24, 64, (8,), (8_192,), 8_192, 1))
    assert lists["megabytes"] < 50
    assert 500 < dense["megabytes"] < 600  # 8,192 tokens, 8 experts, 2,048 slots: 537 MB


def test_planning_is_measured_beside_a_layer_without_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def once(*works: Callable[[], object], repeats: int) -> list[float]:
        timed.extend(works)
        return [1.0, 2.0, 40.0]

    layers = []
    monkeypatch.setattr(moe_layer, "seconds_in_turn", once)
    monkeypatch.setattr(moe_layer, "made_layer", lambda *of: layers.append(made_layer(*of)) or layers[-1])
    assert planning(SMALL, 4, ranks=4)["planning_share_of_layer"] == 2 / 40
    timed[2]()
    plan = layers[0].traffic.plan
    assert not len(plan.stand_ins.token) and plan.routes.filled.any()


def test_each_case_has_its_bars() -> None:
    names = ("share_of_matrix_products", "times_faster_peer")
    every = [f"{name}{kind}" for name in names for kind in ("", "_with_backward")]
    layers = [{"experts": experts, **dict.fromkeys(every, 0.83), "forward_ms": 1.0} for experts in (8, 32)]
    plans = [{"experts": 8, "planning_share_of_layer": 0.08}, {"experts": 32, "planning_share_of_layer": 0.12}]
    found = {(row["experts"], row["measure"]): row for row in targets(layers, plans)}
    assert len(found) == 10 and all("measured" in row for row in found.values())
    for kind in ("", "_with_backward"):
        shares = [found[experts, f"share_of_matrix_products{kind}"] for experts in (8, 32)]
        assert [(row["bar"], row["met"]) for row in shares] == [("at least 0.85", False), ("at least 0.80", True)]
        assert {found[experts, f"times_faster_peer{kind}"]["bar"] for experts in (8, 32)} == {"at least 1.00"}
    shares = [found[experts, "planning_share_of_layer"] for experts in (8, 32)]
    assert [(row["bar"], row["met"]) for row in shares] == [("at most 0.10", True), ("at most 0.10", False)]


def test_the_floor_does_all_products_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    made, mm = [], moe_layer.torch.mm
    floor = Floor(made_layer(SMALL, 4, BOTH), (5, 0, 3, 8))

    def counted(a: object, b: object, *, out: object) -> object:
        made.append(2 * a.shape[0] * a.shape[1] * b.shape[1])  # type: ignore[attr-defined]
        return mm(a, b, out=out)

    monkeypatch.setattr(moe_layer.torch, "mm", counted)
    floor.both()
    assert sum(made) == 3 * 3 * 2 * 16 * 16 * 24
