"""Do the rectifications help a mixture? Plain, IR, FR and FR+IR, top-1 and top-2, each trained with, and at test time only.

The shipped decoder (4 layers, width 128) is upcycled to 8 experts on 4 simulated ranks, every MLP, and trained on real text
with each router at c_eff = k; seeds in pairs (one router to begin with, the same sequences). Then every model is tested with
its own router, and the plainly trained ones with every router, over a sweep of capacities. Loss is of held-out real text;
accuracy that of labels in held-out few-shot demonstrations. Drop and padding rates are those of the text; `extra_rows` is
what IR costs, rows of stand-ins over tokens. Intervals are 95 %, by t over seeds; the held-out text is one and the same.

Trained runs are kept in `runs/moe_experiment` and taken up where they were left; it takes about half an hour of one core.

What is not the paper's: the budget is 120 steps, after which experts are still close to the copies they began as
(`experts_apart`: 0 for copies). So IR has next to nothing to lose by its choice of expert, and its gain is that of an MLP
over none; which expert fills a slot can show as little. `reported_gain_points` is the gain in accuracy over
plain top-k that the authors' result notebooks have for 8 experts, averaged over MMLU, SuperGLUE, TruthfulQA and LogiQA (the
average is ours; whether they trained with each router or switched it on at test time is not known): another model, other
tasks, thousands of times the size. What can be compared is the pattern.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.harness import arguments, publish
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
from training.moe.decoder import MoEShape
from training.moe.evaluate import MEASURES, with_intervals
from training.moe.orders import ORDER_KEYS
from training.moe.train import MoETraining
from training.moe.variants import named

REPORTED = {
    ("top-1", "IR"): 1.22, ("top-1", "FR"): -0.24, ("top-1", "FR+IR"): 1.28,
    ("top-2", "IR"): 0.31, ("top-2", "FR"): 0.66, ("top-2", "FR+IR"): 0.97,
}  # fmt: skip
"""Points over plain top-k of the same k, 8 experts, from the authors' notebooks."""
QUALITY = ("loss", "accuracy")
"""Measures of which differences are told."""
SHOWN = (*QUALITY, "dropped", "padding", "extra_rows")
"""Measures in the README."""
FULL = MoETraining(steps=120, held_out_tokens=12_288)
QUICK = MoETraining(shape=MoEShape(4, 2), steps=4, batch=4, context=128, text_tokens=20_000, held_out_tokens=1_024, lr=2e-3)


def measure(out: Path, settings: Comparison) -> dict[str, Any]:
    """All tables, with 95 % t intervals over seeds."""
    found = compare(out, settings, device="cpu")
    gains = differences(found.rows)
    training = settings.training
    return {
        "experts": training.shape.experts,
        "ranks": training.shape.ranks,
        "steps": training.steps,
        "tokens_a_step": training.batch * training.context,
        "tokens_a_rank": training.batch * training.context // training.shape.ranks,
        "learning_rate": training.lr,
        "balance": training.balance,
        "seeds": settings.seeds,
        "dense": found.dense,
        "experts_apart": spread(out, settings).to_dict("records"),
        "trained": records(trained_table(found.rows), *SHOWN),
        "trained_against_plain": _with_reported(gains[gains.trained_with != "plain"]),
        "at_test_time": records(at_test_time(found.rows), *SHOWN),
        "at_test_time_against_plain": _with_reported(gains[gains.trained_with == "plain"]),
        "sweep": records(with_intervals(found.rows), *MEASURES),
        **_orders(found),
        "note": (__doc__ or "").partition("\n\n")[2].strip(),
        "title": "Rectified routing, trained with and at test time only",
    }


def _orders(found: Compared) -> dict[str, Any]:
    return {
        "orders": records(with_intervals(found.orders, ORDER_KEYS), *QUALITY, "dropped"),
        "orders_against_confidence": records(order_differences(found.orders), *QUALITY),
    }


def records(table: pd.DataFrame, *measures: str) -> list[dict[str, Any]]:
    """Rows as JSON has them, of some measures with their intervals."""
    spare = {f"{name}{end}" for name in set(MEASURES) - set(measures) for end in ("", "_low", "_high")}
    shown = table.drop(columns=list(spare)).astype(object)
    return shown.where(shown.notna(), None).to_dict("records")


def _with_reported(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = records(table, *QUALITY)
    for row in rows:
        router = named(row["fill"], row["rectify"] == "on")
        row["reported_gain_points"] = REPORTED.get((row["router"], router))
    return rows


def main() -> None:
    """Train, measure and write the result."""
    given = arguments(__doc__).parse_args()
    quick = Comparison(QUICK, seeds=2, capacities=(0.5, 1.0), orders=("confidence", "reverse"))
    settings = quick if given.quick else Comparison(FULL)
    out = Path("runs") / ("moe_experiment_quick" if given.quick else "moe_experiment")
    publish("moe_experiment", measure(out, settings), quick=given.quick, seed=1)


if __name__ == "__main__":
    main()
