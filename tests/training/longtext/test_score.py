"""A scored corpus: resumable, equal under every engine, rejections listed, types by thresholds that may change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from interp.runs.errors import UserError
from training.longtext import score as module
from training.longtext.explain import explain
from training.longtext.fit import fit_labels
from training.longtext.folder import GROUPS, SCORES, LongTextRun
from training.longtext.metrics import METRICS, Scorer, ScorerOptions
from training.longtext.mix import Recipe, composition, mixture
from training.longtext.score import Scoring, refusal, score
from training.longtext.statistical import Paragraphs
from training.longtext.thresholds import Reference, Thresholds
from training.sampling.draws import draw
from training.sampling.schedule import Schedule
from training.sampling.strategies import Budget

PROSE = (
    "She said that he knew it, and therefore they went to her house because it was theirs. However, nobody saw him there. "
)
PIECES = "Return the value.\nCreate an index.\nSee also the table of contents and it.\n"
ROWS = "alpha beta gamma\n"
TEXTS = {"holistic": PROSE * 12, "aggregated": PIECES * 12, "chaotic": ROWS * 40}
CHINESE = "我们知道他们的家在河边，因此她去了那里。但是没有人看见他。\n" * 20


def entries(each: int = 8) -> list[dict[str, Any]]:
    found = [
        {
            "id": f"{kind}{number}",
            "text": text + f"Number {number}.\n",
            "type": kind,
            "domain": "web" if number % 2 else "books",
        }
        for number in range(each)
        for kind, text in TEXTS.items()
    ]
    return [*found, {"id": "zh", "text": CHINESE, "type": "holistic"}]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "texts.jsonl"
    odd = [{"id": "binary", "text": "abc\0\1\2" * 50}, {"id": "greek", "text": "και το βιβλίο είναι εδώ " * 40}]
    lines = [json.dumps(one) for one in [*entries(), *odd]]
    path.write_text("\n".join([*lines, "{broken", '{"id": "empty", "text": " "}']) + "\n")
    return path


@pytest.fixture(scope="module")
def thresholds(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted to the corpus itself: English, and Chinese by the same scales."""
    folder = tmp_path_factory.mktemp("fit")
    score(str(corpus), folder / "run", Scoring(), thresholds="none", engine="inline")
    run = LongTextRun.open(folder / "run")
    scores = run.scores.assign(label=run.labels("type"))
    english = fit_labels(scores[(scores["language"] == "en") & scores["rejected"].isna()], scores["label"])
    chinese = [Reference("zh", "all", english[0].scales, english[0].cuts)]
    path = folder / "thresholds.json"
    Thresholds((*english, *chinese), ScorerOptions().scale).write(path)
    return path


@pytest.fixture(scope="module")
def run(corpus: Path, thresholds: Path, tmp_path_factory: pytest.TempPathFactory) -> LongTextRun:
    out = tmp_path_factory.mktemp("runs") / "scored"
    found = score(str(corpus), out, Scoring(), thresholds=str(thresholds), engine="inline")
    assert found["documents"] == 27 and found["scored"] == 25 and found["rejected"] == 2 and found["set_aside"] == 2
    return LongTextRun.open(out)


def test_scores_are_what_the_scorer_says_and_types_what_was_planted(run: LongTextRun) -> None:
    assert list(run.scores.columns) == SCORES.names
    english = run.scores[(run.scores["language"] == "en") & run.scores["rejected"].isna()]
    for row, entry in zip(english.itertuples(), entries(), strict=False):
        alone = Scorer().score([entry["text"]], ["en"])[0]
        assert [getattr(row, name) for name in METRICS] == pytest.approx(
            [np.nan if value is None else value for value in alone.metrics.values()], nan_ok=True
        )
        assert row.type == entry["type"] and row.tokens == alone.tokens and not row.long
        assert run.evidence(row.id)["connectives"] == alone.evidence["connectives"]
    assert set(english["type_basis"]) == {"cohesion+complexity"}


def test_what_is_not_scored_is_listed_with_its_reason(run: LongTextRun) -> None:
    reasons = {one["place"]: one["reason"] for one in run.rejected()}
    assert "binary: 50% of its characters" in reasons["binary"] and reasons["greek"] == "neither English nor Chinese"
    assert sum("not JSON" in reason for reason in reasons.values()) == 1 and len(reasons) == 4
    assert run.scores.set_index("id").loc["greek", list(METRICS)].isna().all() and run.evidence("greek") == {}


def test_a_killed_run_goes_on(corpus: Path, thresholds: Path, run: LongTextRun, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PART_ROWS", {"statistical": 5, "all": 5})
    calls = []

    class Failing(module.ScoreStage):
        def __call__(self, source: Path, target: Path) -> None:
            calls.append(source.name)
            if len(calls) == 3:
                raise KeyboardInterrupt
            super().__call__(source, target)

    real = module.ScoreStage
    monkeypatch.setattr(module, "ScoreStage", Failing)
    with pytest.raises(KeyboardInterrupt):
        score(str(corpus), tmp_path / "run", Scoring(), thresholds=str(thresholds), engine="inline")
    with pytest.raises(UserError, match="is not finished"):
        LongTextRun.open(tmp_path / "run")
    monkeypatch.setattr(module, "ScoreStage", real)
    score(str(corpus), tmp_path / "run", Scoring(), thresholds=str(thresholds), engine="inline")
    resumed = LongTextRun.open(tmp_path / "run")
    assert len(list((tmp_path / "run" / "scores").glob("*.parquet"))) == 6
    assert resumed.scores.equals(run.scores)


@pytest.mark.slow
def test_a_pool_of_processes_finds_the_same(
    corpus: Path, thresholds: Path, run: LongTextRun, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "PART_ROWS", {"statistical": 9, "all": 9})
    score(str(corpus), tmp_path / "run", Scoring(), thresholds=str(thresholds), engine="process", workers=2)
    pd.testing.assert_frame_equal(LongTextRun.open(tmp_path / "run").scores, run.scores)


@pytest.mark.slow
def test_two_ranks_find_the_same(corpus: Path, thresholds: Path, run: LongTextRun, tmp_path: Path) -> None:
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "interp.cli"]
    asked = ["longtext", "score", str(corpus), "--out", str(tmp_path / "run"), "--thresholds", str(thresholds)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*ranks, *asked], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(LongTextRun.open(tmp_path / "run").scores, run.scores)


def test_other_thresholds_change_types_and_score_nothing(
    corpus: Path, thresholds: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    out = tmp_path / "run"
    score(str(corpus), out, Scoring(), thresholds=str(thresholds), engine="inline")
    typed = LongTextRun.open(out).scores
    monkeypatch.setattr(Scorer, "score", None)
    score(str(corpus), out, Scoring(), thresholds="none", engine="inline")
    bare = LongTextRun.open(out)
    assert bare.scores["type"].isna().all() and bare.thresholds is None
    assert bare.scores[list(METRICS)].equals(typed[list(METRICS)])
    score(str(corpus), out, Scoring(), thresholds=str(thresholds), engine="inline")
    pd.testing.assert_frame_equal(LongTextRun.open(out).scores, typed)


def test_a_kill_amid_new_types_leaves_none_of_them(corpus: Path, thresholds: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PART_ROWS", {"statistical": 5, "all": 5})
    out, real, written = tmp_path / "run", module.write_part, []
    score(str(corpus), out, Scoring(), thresholds=str(thresholds), engine="inline")
    before = LongTextRun.open(out).scores

    def failing(path: Path, table: Any) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        real(path, table)

    monkeypatch.setattr(module, "write_part", failing)
    with pytest.raises(KeyboardInterrupt):
        score(str(corpus), out, Scoring(), thresholds="constructed", engine="inline")
    monkeypatch.setattr(module, "write_part", real)
    with pytest.raises(UserError, match="is not finished"):
        LongTextRun.open(out)
    score(str(corpus), out, Scoring(), thresholds=str(thresholds), engine="inline")
    pd.testing.assert_frame_equal(LongTextRun.open(out).scores, before)


def test_thresholds_without_coherence_take_any_windows(thresholds: Path) -> None:
    paper = ScorerOptions(metrics="all", windows="paper")
    assert module.thresholds_for(str(thresholds), paper)
    held = json.loads(thresholds.read_text())
    held["references"][0]["scales"]["coherence_diff"] = {"quantiles": [0.0, 1.0]}
    (thresholds.parent / "coherent.json").write_text(json.dumps(held))
    with pytest.raises(UserError, match="windows cpu"):
        module.thresholds_for(str(thresholds.parent / "coherent.json"), paper)


def test_texts_of_a_language_that_was_not_fitted_have_no_type_and_a_reason(
    corpus: Path, thresholds: Path, tmp_path: Path
) -> None:
    held = json.loads(thresholds.read_text())
    held["references"] = [one for one in held["references"] if one["language"] == "en"]
    (tmp_path / "english.json").write_text(json.dumps(held))
    score(str(corpus), tmp_path / "run", Scoring(), thresholds=str(tmp_path / "english.json"), engine="inline")
    found = LongTextRun.open(tmp_path / "run")
    assert found.scores.loc[found.scores["type"].isna(), "id"].tolist() == ["zh", "binary", "greek"]
    told = explain(found, "zh")
    assert "no reference for zh/all; they have en/all" in told["because"] and told["type"] is None
    assert {one["name"] for one in told["metrics"] if one["value"] is not None} >= {"cohesion_conn", "cohesion_pron"}


def test_short_documents_are_scored_and_flagged_or_left_out(corpus: Path, tmp_path: Path) -> None:
    score(str(corpus), tmp_path / "run", Scoring(least_bytes=1_200), thresholds="none", engine="inline")
    found = LongTextRun.open(tmp_path / "run").scores
    short = found["bytes"] < 1_200
    assert short.any() and not short.all() and found.loc[short, "rejected"].str.contains("accepted are 1,200 or more").all()


def test_refusals() -> None:
    assert refusal("x" * 10, "en", 10) is None and refusal("x", None, 1) == "neither English nor Chinese"
    assert "20,000,000" in str(refusal("x" * 20_000_001, "en", 20_000_001))


def test_one_pass_of_the_recipe(run: LongTextRun, tmp_path: Path) -> None:
    planned = mixture(run, Recipe())
    planned.write(tmp_path / "mix.yaml")
    drawn = draw(run, Schedule.read(tmp_path / "mix.yaml"))
    times = {"holistic": 1, "aggregated": 2, "chaotic": 0}
    expected = [times.get(kind, 0) if isinstance(kind, str) else 0 for kind in run.scores["type"]]
    assert drawn.documents.tolist() == expected
    table = composition(run, planned).set_index(["language", "type"])
    assert table["share_before"].sum() == pytest.approx(1) and table["share_after"].sum() == pytest.approx(1)
    assert table.loc[("en", "aggregated"), "passes"] == 2 and table.loc[("en", "chaotic"), "share_after"] == 0
    assert list(table.index) == list(GROUPS)


def test_a_budget_in_tokens_is_of_the_tokens_that_were_counted(run: LongTextRun) -> None:
    chosen = run.scores[run.scores["type"].isin(["holistic", "aggregated"])]
    budget = Budget(int(20 * chosen["tokens"].sum()), "tokens")
    drawn = draw(run, mixture(run, Recipe(), budget=budget))
    held = float((drawn.documents * run.scores["tokens"].fillna(0)).sum())
    assert held == pytest.approx(budget.amount, rel=0.1)


def test_a_recipe_that_leaves_nothing_is_refused(run: LongTextRun) -> None:
    with pytest.raises(UserError, match="factors"):
        mixture(run, Recipe(0, 0, 0))


def test_an_explanation_names_values_ranks_rule_and_reasons(run: LongTextRun) -> None:
    told = explain(run, "chaotic0")
    assert told["type"] == "chaotic" and told["rule"] == "all low" and "complexity is extreme" in told["because"]
    assert {one["name"]: one for one in told["metrics"]}["coherence_diff"]["missing"]
    assert all(0 <= one["rank"] <= 1 for one in told["metrics"] if one["rank"] is not None)
    assert explain(run, "greek")["rejected"] == "neither English nor Chinese"
    json.dumps(told, allow_nan=False)
    with pytest.raises(UserError, match="has no document 'absent'"):
        explain(run, "absent")


def test_refuses_before_anything_is_read(corpus: Path, thresholds: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for settings, given, said in [
        (Scoring(language="fr"), "none", "unknown language 'fr'"),  # type: ignore[arg-type]
        (Scoring(), "absent.json", "absent.json holds no thresholds"),
        (Scoring(scorer=ScorerOptions(model="other")), str(thresholds), "fitted to other metrics: model"),
        (Scoring(scorer=ScorerOptions(ratio="moving")), str(thresholds), "ratio plain .now moving"),
        (Scoring(scorer=ScorerOptions(paragraphs=Paragraphs(unit="blocks"))), "constructed", "paragraphs mean/lines"),
    ]:
        with pytest.raises(UserError, match=said):
            score(str(corpus), out, settings, thresholds=given)
    with pytest.raises(UserError, match="no column 'body'"):
        score(str(corpus), out, Scoring(text_column="body"), thresholds="none")
    assert not out.exists()


def test_evidence_lies_beside_its_scores(run: LongTextRun) -> None:
    for path in sorted((run.path / "scores").glob("*.parquet")):
        evidence = pq.read_table(run.path / "evidence" / path.name)
        assert evidence["id"].equals(pq.read_table(path)["id"])


def test_a_long_run_tells_beforehand_what_it_takes(
    corpus: Path, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    score(str(corpus), tmp_path / "short", Scoring(), thresholds="none", engine="inline")
    assert "about" not in capsys.readouterr().err
    monkeypatch.setattr(module, "SAMPLED", {"statistical": 1, "all": 1})
    score(str(corpus), tmp_path / "long", Scoring(), thresholds="none", engine="inline")
    assert "for 27 documents" in capsys.readouterr().err


def test_documents_that_are_refused_are_not_scored_to_estimate_the_time(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "texts.jsonl"
    texts = ["\0\1\2" * 500, "short", *(PROSE * 12 for _ in range(30))]
    path.write_text("".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(texts)))
    monkeypatch.setattr(module, "SAMPLED", {"statistical": 1, "all": 1})
    read, real = [], Scorer.score

    def watched(self: Scorer, texts: list[str], languages: list[Any]) -> Any:
        read.append((texts[0], languages[0]))
        return real(self, texts, languages)

    monkeypatch.setattr(Scorer, "score", watched)
    score(str(path), tmp_path / "run", Scoring(language="zh", least_bytes=200), thresholds="none", engine="inline")
    assert len(read) >= 3 and set(read) == {(PROSE * 12, "zh")}
