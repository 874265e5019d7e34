"""Measures against sums by hand, sweeps against single measurements, intervals against their formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from interp.runs.errors import UserError
from tests.training.moe.dense import dense
from training.moe.decoder import MoEShape, moe_layers, routed_by
from training.moe.evaluate import KEYS, MEASURES, evaluate, sweep, task_accuracy, text_loss, with_intervals
from training.moe.held_out import HeldOut
from training.moe.orders import by_order
from training.moe.rules import Rules
from training.moe.upcycle import upcycle
from training.moe.variants import VARIANTS, name_of, variant

GENERATOR = torch.Generator().manual_seed(2)
TEXT, TASKS = (torch.randint(300, (6, 16), generator=GENERATOR) for _ in range(2))
with torch.no_grad():
    for place in range(1, 16):  # the dense model is right about every other token or so
        said = dense()(TASKS).logits[:, place - 1].argmax(-1)
        TASKS[:, place] = torch.where(torch.rand(6, generator=GENERATOR) < 0.5, said, TASKS[:, place])
HELD_OUT = HeldOut(TEXT, TASKS, torch.rand(6, 16, generator=GENERATOR) < 0.4)
PLAIN = Rules(2, 1.0)


@pytest.fixture
def model() -> torch.nn.Module:
    return upcycle(dense(), MoEShape(4, 2), PLAIN)


def test_measures_are_those_by_hand(model) -> None:  # type: ignore[no-untyped-def]
    found = evaluate(model, HELD_OUT, PLAIN, batch=3)
    losses, right, dropped, padding = [], [], 0, 0
    with torch.no_grad():
        for half in (slice(0, 3), slice(3, 6)):
            logits = model(TEXT[half]).logits
            losses += [cross_entropy(row[:-1], tokens[1:]).item() for row, tokens in zip(logits, TEXT[half], strict=True)]
            plans = [layer.traffic.plan for layer in moe_layers(model).values()]
            dropped += sum(len(plan.refused.token) for plan in plans)
            padding += sum(int(plan.padding.sum()) for plan in plans)
            said = model(TASKS[half]).logits.argmax(-1)
            right += [
                bool(said[row, place - 1] == TASKS[half][row, place])
                for row in range(3) for place in range(1, 16) if HELD_OUT.asked[half][row, place]
            ]  # fmt: skip
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-6) and found.accuracy == pytest.approx(np.mean(right))
    assert 0.1 < found.accuracy < 0.9
    assert found.dropped == pytest.approx(dropped / (2 * 6 * 16 * 4)) and found.dropped > 0
    assert found.padding == pytest.approx(padding / (plans[0].slots * 2 * 4 * 2 * 4))
    assert found.extra_rows == 0 and 0 < found.lost < found.dropped


def test_rectification_loses_no_token_and_fills_slots(model) -> None:  # type: ignore[no-untyped-def]
    found = {name: evaluate(model, HELD_OUT, variant(name, PLAIN), batch=3) for name in VARIANTS}
    assert found["IR"].lost == found["FR+IR"].lost == 0 and found["IR"].extra_rows > found["FR+IR"].extra_rows > 0
    assert found["FR"].padding < found["plain"].padding and found["FR"].lost < found["plain"].lost
    assert found["FR"].dropped > 0
    # Experts are copies still, so with IR the mixture is the dense model whatever is dropped.
    plain = text_loss(dense(), HELD_OUT, batch=3)
    assert found["IR"].loss == pytest.approx(plain, rel=1e-5) and abs(found["plain"].loss - plain) > 1e-3
    assert task_accuracy(dense(), HELD_OUT) == pytest.approx(found["IR"].accuracy)


def test_a_measurement_leaves_the_model_as_it_was(model) -> None:  # type: ignore[no-untyped-def]
    model.train()
    first = evaluate(model, HELD_OUT, Rules(1, 0.5, order="random"))
    assert model.training and {layer.rules for layer in moe_layers(model).values()} == {PLAIN}
    assert evaluate(model, HELD_OUT, Rules(1, 0.5, order="random")) == first
    with pytest.raises(ZeroDivisionError), routed_by(model, Rules(1)):
        raise ZeroDivisionError
    assert {layer.rules for layer in moe_layers(model).values()} == {PLAIN}


def test_a_sweep_has_a_row_for_each_router_and_capacity(model) -> None:  # type: ignore[no-untyped-def]
    rows = sweep(model, HELD_OUT, PLAIN, capacities=(0.5, 2.0), tests=("plain", "FR+IR"), batch=3)
    assert [tuple(row[key] for key in KEYS) for row in rows] == [
        ("top-2", "off", "off", "plain", 0.5), ("top-2", "off", "off", "plain", 2.0),
        ("top-2", "on", "own", "plain", 0.5), ("top-2", "on", "own", "plain", 2.0),
    ]  # fmt: skip
    single = evaluate(model, HELD_OUT, variant("FR+IR", Rules(2, 0.5)), batch=3)
    assert {name: rows[2][name] for name in MEASURES} == single._asdict()
    (as_trained,) = sweep(model, HELD_OUT, Rules(2, 1.0, fill="top1"), batch=3)
    assert as_trained["trained_with"] == "FR" and as_trained["fill"] == "top1" and as_trained["capacity"] == 1.0


def test_orders_refuse_as_many_choices_but_other_ones(model) -> None:  # type: ignore[no-untyped-def]
    rows = by_order(model, HELD_OUT, PLAIN, capacities=(0.5,), batch=3)
    assert [row["order"] for row in rows] == ["confidence", "reverse", "random", "position"]
    first = [moe_layers(model)[0]]
    counts = set()
    for order in ("confidence", "reverse", "random", "position"):
        with routed_by(model, Rules(2, 0.5, order=order)):  # type: ignore[arg-type]
            model(TEXT)
        counts.add(len(first[0].traffic.plan.refused.token))
    assert len(counts) == 1 and len({row["loss"] for row in rows}) == 4
    with pytest.raises(UserError, match="order 'size' is unknown"):
        by_order(model, HELD_OUT, PLAIN, orders=("size",))


def test_routers_other_than_top_k_are_named_and_do_not_fill() -> None:
    model = upcycle(dense(), MoEShape(4, 2), PLAIN, router="expert choice")
    rows = sweep(model, HELD_OUT, PLAIN, batch=3) + by_order(model, HELD_OUT, PLAIN, orders=("confidence",), batch=3)
    assert [row["router"] for row in rows] == ["expert choice, k = 2"] * 2
    with pytest.raises(UserError, match="fill 'own' with router 'expert choice' is refused; accepted is off"):
        sweep(model, HELD_OUT, PLAIN, tests=("FR",), batch=3)
    with pytest.raises(UserError, match="fill 'top1' with router 'BASE' is refused"):
        upcycle(dense(), MoEShape(4, 2), Rules(1, 1.0, fill="top1"), router="BASE")


def test_what_fills_up_the_last_rank_is_no_token(model) -> None:  # type: ignore[no-untyped-def]
    odd = HeldOut(TEXT[:1, :5], TASKS[:1], torch.ones(1, 16, dtype=torch.bool))
    found = evaluate(model, odd, Rules(2, 0.5, rectify=True))
    assert found.lost == 0
    assert found.extra_rows * 5 * 4 == pytest.approx(
        sum(len(layer.traffic.plan.stand_ins.token) for layer in _after(model, odd.text, Rules(2, 0.5, rectify=True)))
    )


def _after(model, tokens: torch.Tensor, rules: Rules) -> list:  # type: ignore[no-untyped-def, type-arg]
    with torch.no_grad(), routed_by(model.eval(), rules):
        model(tokens)
    return list(moe_layers(model).values())


def test_intervals_are_of_students_t() -> None:
    rows = pd.DataFrame(
        [
            dict(zip(KEYS, ("top-1", "on", "off", "IR", capacity), strict=True)) | dict.fromkeys(MEASURES, value)
            for capacity, value in ((1.0, 2.0), (1.0, 4.0), (1.0, 9.0), (2.0, 7.0))
        ]
    )
    three, one = with_intervals(rows).to_dict("records")
    half = 4.302653 * np.std([2, 4, 9], ddof=1) / 3**0.5
    assert three["seeds"] == 3 and (three["loss_low"], three["loss"], three["loss_high"]) == pytest.approx(
        (5 - half, 5, 5 + half), rel=1e-5
    )
    assert one["seeds"] == 1 and one["loss"] == 7.0 and np.isnan(one["loss_low"]) and np.isnan(one["accuracy_high"])


def test_names_of_the_paper() -> None:
    assert [name_of(variant(name, Rules(2))) for name in VARIANTS] == ["plain", "IR", "FR", "FR+IR"]
    assert variant("FR", Rules(2, fill="top1")).fill == "top1" and variant("plain", Rules(2, fill="top1")).fill == "off"
    with pytest.raises(UserError, match=r"unknown router 'both'; accepted are plain, IR, FR, FR\+IR"):
        variant("both", Rules())
