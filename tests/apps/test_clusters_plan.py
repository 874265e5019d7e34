"""What the sampling panel shows agrees with the sampler's own draws, and what is saved can be read again."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from apps.clusters_panels import documents
from apps.clusters_panels.corpus import Corpus
from apps.clusters_panels.exports import numbers, selection_parquet
from apps.clusters_panels.map_panel import labels, map_frame
from apps.clusters_panels.plan import Plan, beside
from apps.clusters_panels.selection import Selection
from apps.clusters_panels.table import clusters_csv_frame
from apps.shell.exports import csv
from benchmarks.made_corpus import make_corpus
from training.sampling.strategies import KINDS, Budget, Strategy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("runs") / "made"
    make_corpus(path, documents=500, clusters=9, empty=1)
    return Corpus.open(path)


def example(strategy: Strategy, draws: int = 12) -> Plan:
    return Plan(np.array([5, 1, 3]), np.array([2.0, 4.0, 6.0]), strategy, Budget(draws))


def test_the_papers_figure() -> None:
    plan = example(Strategy.named("clusterclip", clip=2))
    assert plan.expected.counts == pytest.approx([5, 2, 5]) and plan.repeats == pytest.approx([1, 2, 5 / 3])
    assert all(check.holds for check in plan.checks())


def test_a_budget_that_the_clip_does_not_allow_fails_its_check_only() -> None:
    plan = example(Strategy.named("clusterclip", clip=1), draws=20)
    assert [check.holds for check in plan.checks()] == [True, True, False]


@pytest.mark.parametrize("unit", ["draws", "tokens"])
def test_a_plan_that_goes_on_at_random_passes_the_clip_only_then(corpus: Corpus, unit: str) -> None:
    strategy = Strategy.named("clusterclip", clip=2.0, order="round_robin", on_exhausted="random")
    plan = Plan.of(corpus, strategy, passes=2.5, unit=unit)  # type: ignore[arg-type]
    weights, clip, budget = plan.checks()
    assert weights.holds and clip.holds and budget.holds
    assert clip.text == "Clip exceeded only once all are out: at most 2.50 of 2" and "at random" in budget.text
    drawn = np.fromiter(plan.schedule(corpus, seed=1).sampler(corpus.run), np.int64)
    assert len(drawn) == pytest.approx(plan.expected.draws, rel=0.02) and plan.unique()["unique"].iloc[-1] == corpus.sizes.sum()


def test_a_clip_that_is_rounded_down_and_met_at_random_is_not_told_as_exceeded(corpus: Corpus) -> None:
    strategy = Strategy.named("clusterclip", clip=1.5, on_exhausted="random")
    _, clip, budget = Plan.of(corpus, strategy, passes=1.5, unit="draws").checks()
    assert clip == (True, "Clip never exceeded: at most 1.50 of 1.5") and budget.holds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["draws", "tokens"])
def test_checks_hold_and_the_schedule_draws_what_is_shown(corpus: Corpus, kind: str, unit: str) -> None:
    plan = Plan.of(corpus, Strategy.named(kind, clip=4.0, order="round_robin"), passes=1.5, unit=unit)  # type: ignore[arg-type]
    assert all(check.holds for check in plan.checks())
    schedule = plan.schedule(corpus, seed=1)
    drawn = np.fromiter(schedule.sampler(corpus.run), np.int64)
    seen = len(np.unique(drawn))
    assert len(drawn) == pytest.approx(plan.expected.draws, rel=0.02)
    assert plan.unique()["unique"].iloc[-1] == pytest.approx(seen, rel=0.03)
    counts = np.bincount(corpus.documents["cluster"].to_numpy()[drawn], minlength=9)
    assert counts == pytest.approx(plan.expected.counts, abs=4 + 0.02 * counts.max())


def test_the_plan_stands_beside_the_papers_three_at_one_budget() -> None:
    assert list(beside(example(Strategy.named("uniform")))) == ["random", "ClusterClip", "uniform"]
    plans = beside(example(Strategy.named("temperature", clip=3)))
    assert list(plans) == ["random", "uniform", "ClusterClip", "temperature"]
    assert plans["ClusterClip"].strategy.clip == 3 and math.isinf(plans["uniform"].strategy.clip)
    assert {plan.budget for plan in plans.values()} == {Budget(12)}


def test_search_and_neighbours_against_a_plain_reading(corpus: Corpus) -> None:
    everything = corpus.texts(np.arange(500))
    expected = [number for number, text in enumerate(everything["text"]) if "violin" in text.lower()]
    assert corpus.search("VIOLIN").tolist() == expected and len(expected)
    cosine = (corpus.run.centroids @ corpus.run.centroids.T).numpy()
    near = corpus.neighbours(2)
    assert near[0][1] == pytest.approx(np.delete(cosine[2], [2, 8]).max()) and 8 not in dict(near)


def test_map_shows_what_is_chosen(corpus: Corpus) -> None:
    members = corpus.run.members(1)
    chosen = Selection("cluster", "", members, 1)
    frame = map_frame(corpus, chosen, "source")
    assert frame.loc[frame["chosen"], "document"].tolist() == members.tolist()
    assert labels(corpus, chosen)["cluster"].tolist() == [1]
    assert "chosen" not in map_frame(corpus, Selection("all", "", members), "length")


def test_saved_documents_can_be_read_again(corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(documents, "marks", lambda: {1: ("noisy", "why")})
    chosen = Selection("map", "", np.concatenate([corpus.run.members(1)[:2], corpus.run.members(0)[:1]]))
    rows = [json.loads(line) for line in documents.as_jsonl(corpus, chosen).splitlines()]
    assert [row["cluster"] for row in rows] == [1, 1, 0] and [row.get("mark") for row in rows] == ["noisy", "noisy", None]
    assert all(row["text"] and row["source"] for row in rows)
    (tmp_path / "selected.parquet").write_bytes(selection_parquet(corpus, chosen))
    assert pq.read_table(tmp_path / "selected.parquet")["document"].to_pylist() == chosen.numbers.tolist()


def test_saved_table_has_the_readers_notes_and_no_formulas(corpus: Corpus) -> None:
    text = csv(clusters_csv_frame(corpus, {0: ("useful", "=1+1")}))
    assert text.splitlines()[1].endswith("useful,'=1+1") and len(text.splitlines()) == 10
    assert json.dumps(numbers(corpus), allow_nan=False)
