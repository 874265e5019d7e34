"""What the benchmark of the types computes: areas and intervals against brute force, and no document judged by its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.longtext_types import SETS, SHIPPED, as_shipped, auc, balanced, construction, interval, measure, predicted
from tests.training.longtext.test_fit import planted
from tests.training.longtext.test_truth import sources  # noqa: F401 - a fixture
from training.longtext.metrics import METRICS, Scored, ScorerOptions
from training.longtext.thresholds import Thresholds
from training.longtext.truth import Source
from training.longtext.types import MODELLED, TYPES


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_chance_that_a_positive_is_higher(pairs: list[tuple[int, bool]]) -> None:
    positives, negatives = ([value for value, kind in pairs if kind is wanted] for wanted in (True, False))
    found = auc(np.array([value for value, _ in pairs], float), np.array([kind for _, kind in pairs]))
    if not positives or not negatives:
        assert found is None
        return
    wins = [(one > other) + (one == other) / 2 for one in positives for other in negatives]
    assert found == pytest.approx(np.mean(wins))


def test_missing_values_do_not_count() -> None:
    assert auc(np.array([1.0, np.nan, 0.0]), np.array([True, True, False])) == 1
    assert auc(np.array([np.nan, np.nan]), np.array([True, False])) is None


def test_thresholds_of_one_half_judge_the_other_only() -> None:
    scores, labels = planted()
    frame = scores.assign(label=labels, side=np.where(np.arange(len(labels)) % 5 < 3, "fit", "test"))
    found = predicted(frame, MODELLED, "fit")
    assert (found["side"] == "test").all() and balanced(found) > 0.9
    spoilt = frame.assign(label=frame["label"].where(frame["side"] == "fit", "holistic"))
    assert (predicted(spoilt, MODELLED, "fit")["type"] == found["type"]).all()


def test_the_shipped_thresholds_are_judged_on_the_second_half_as_they_are() -> None:
    scores, labels = planted()
    frame = scores.assign(label=labels, side=np.where(np.arange(len(labels)) % 5 < 3, "fit", "test"))
    found, hidden = as_shipped(frame, MODELLED), frame.assign(**dict.fromkeys(MODELLED, np.nan))
    assert (found["side"] == "test").all()
    typed = Thresholds.read("constructed").type(hidden)
    assert found["type"].equals(typed.loc[found.index, "type"])


def test_the_interval_resamples_sources_within_types() -> None:
    rows = [
        (kind, f"{kind}{source}", source < 8) for kind in ("holistic", "chaotic") for source in range(10) for _ in range(5)
    ]
    found = pd.DataFrame(rows, columns=["label", "source", "right"])
    found["type"] = found["label"].where(found["right"], "aggregated")
    low, high = interval(found, np.random.default_rng(0))
    spread = np.sqrt(0.8 * 0.2 / 20)  # of the mean over 20 sources, each right or wrong as a whole
    assert low == pytest.approx(0.8 - 1.96 * spread, abs=0.05) and high == pytest.approx(0.8 + 1.96 * spread, abs=0.05)
    alike = found.assign(type=found["label"])
    assert interval(alike, np.random.default_rng(0)) == [1, 1]


class Planted:
    """Scores by what the made sources look like: rows have commas, shuffled lines begin anywhere."""

    def __init__(self, options: ScorerOptions | None = None) -> None:
        self.options = options or ScorerOptions()

    def score(self, texts: Sequence[str], languages: Sequence[str]) -> list[Scored]:
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Scored:
        shuffled = any(not block.startswith("On day") for block in text.split("\n\n"))
        chaotic, whole = "," in text or shuffled, "book p" not in text
        noise = len(text) % 97 / 1_000
        level = noise + (0 if chaotic else 2 if whole else 1)
        values = {name: level for name in METRICS} | dict.fromkeys(
            ("complexity_ttr", "complexity_para"), noise + 5 * chaotic
        )
        hidden = [name for name in MODELLED if self.options.metrics == "statistical"]
        found = {name: None if name in hidden else value for name, value in values.items()}
        return Scored(found, 9, {}, dict.fromkeys(hidden, "not asked"))


def test_all_sets_of_metrics_are_judged_on_held_out_sources(
    sources: list[Source],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.longtext.score.Scorer", Planted)
    monkeypatch.setattr("training.longtext.score._scorer", Planted)
    given = SimpleNamespace(documents=8, modelled=7, size=1_200, damaged=0)
    monkeypatch.setattr("benchmarks.longtext_types.damaged", lambda *_: [])
    found = measure(sources, tmp_path / "runs", given)
    rows = pd.DataFrame(found["accuracy"])
    assert len(rows) == 3 * (len(SETS) + 2)  # the sets without a model, of all documents and of those with model metrics
    fitted_here = rows["fitted_to"] != SHIPPED
    assert set(rows["metrics"]) == set(SETS) and (rows.loc[fitted_here, "balanced_accuracy"] > 0.9).all()
    confusion = pd.DataFrame(found["confusion"]).groupby(["metrics", "fitted_to"])[list(TYPES)].sum().sum(axis=1)
    counts = rows.groupby(["metrics", "fitted_to"])["documents"].sum()
    assert confusion.equals(counts) and len(found["recall_by_kind"]) == len(rows)
    assert [one["metric"] for one in found["auc"]].count("coherence_diff") == 1
    counted = {one["metric"]: one["documents"] for one in found["auc"]}
    assert set(counted) == set(METRICS) and counted["cohesion_conn"] > counted["coherence_diff"] > 0
    assert set(found["halves"]) == {"en prose", "en pieces", "en rows"}


def test_a_cache_is_of_its_sources_and_size_alone(sources: list[Source]) -> None:  # noqa: F811
    first = construction(sources, 1_200)
    assert first == construction(list(sources), 1_200)
    others = [replace(sources[0], side="fit"), replace(sources[0], files=sources[1].files)]
    names = {construction(sources, 1_300), construction(sources[1:], 1_200)}
    names |= {construction([other, *sources[1:]], 1_200) for other in others}
    assert len(names | {first}) == 5
