"""The experiment's tables: JSON without NaN, the notebooks' gains beside the right rows, enough for the README."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import moe_experiment as module
from benchmarks.tables import fill
from training.moe.comparison import Compared, Comparison
from training.moe.evaluate import MEASURES, row_of
from training.moe.rules import Rules
from training.moe.variants import VARIANTS, name_of, variant


def made(k: int, test: str, trained: str, capacity: float, seed: int) -> dict[str, object]:
    """A row whose loss falls by 0.1 with IR and by 0.01 with FR, and rises with the seed."""
    rules = variant(test, Rules(k, capacity))
    loss = 4.0 + seed - 0.1 * rules.rectify - 0.01 * (rules.fill != "off")
    return row_of(rules, variant(trained, Rules(k))) | dict.fromkeys(MEASURES, 0.5) | {"loss": loss, "seed": seed}


def compared(seeds: int) -> Compared:
    pairs = [("plain", test) for test in VARIANTS] + [(name, name) for name in VARIANTS if name != "plain"]
    rows = [
        made(k, test, trained, capacity, seed)
        for k in (1, 2) for trained, test in pairs for capacity in (0.5 * k, 1.0 * k) for seed in range(seeds)
    ]  # fmt: skip
    orders = [
        made(k, "plain", "plain", 1.0 * k, seed) | {"order": order}
        for k in (1, 2)
        for order in ("confidence", "reverse")
        for seed in range(seeds)
    ]
    return Compared(pd.DataFrame(rows), pd.DataFrame(orders), {"loss": 3.9, "accuracy": 0.6})


@pytest.mark.parametrize("seeds", [1, 3])
def test_tables_are_json_and_enough_for_the_readme(seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compare", lambda *words, **options: compared(seeds))
    monkeypatch.setattr(
        module, "spread", lambda *words: pd.DataFrame([{"router": "top-1", "trained_with": "IR", "apart": 0.1}])
    )
    found = json.loads(json.dumps(module.measure(Path("unused"), Comparison(module.QUICK)), allow_nan=False))
    assert len(found["trained"]) == 8 and [row["capacity"] for row in found["trained"]] == [1.0] * 4 + [2.0] * 4
    assert len(found["sweep"]) == 2 * 7 * 2 and len(found["at_test_time"]) == 8
    gains = {(row["router"], row["rectify"], row["fill"]): row for row in found["trained_against_plain"]}
    assert len(gains) == 6 and gains["top-1", "on", "own"]["reported_gain_points"] == 1.28
    assert gains["top-2", "off", "own"]["reported_gain_points"] == 0.66 and gains["top-1", "on", "off"][
        "loss"
    ] == pytest.approx(-0.1)
    row = gains["top-1", "on", "own"]
    assert row["loss_low"] is None if seeds == 1 else row["loss_high"] == pytest.approx(-0.11)
    text = fill(
        "<!-- measured: written by python -m benchmarks.tables -->\n<!-- end of measured -->", {"moe_experiment": found}
    )
    assert "trained against plain:" in text and "at test time:" in text and "| top-2 | on | own |" in text


def test_reported_gains_are_differences_of_the_notebooks_averages() -> None:
    """Averages of arXiv 2402.12399's notebooks for 8 experts, over four tasks."""
    average = {
        "top-1": {"plain": 38.75, "IR": 39.97, "FR": 38.51, "FR+IR": 40.03},
        "top-2": {"plain": 39.82, "IR": 40.13, "FR": 40.48, "FR+IR": 40.79},
    }
    for (router, name), gain in module.REPORTED.items():
        assert gain == pytest.approx(average[router][name] - average[router]["plain"], abs=1e-9)
    assert {name_of(variant(name, Rules())) for _, name in module.REPORTED} == {"IR", "FR", "FR+IR"}
