"""`interp sample` from a file of the user's own to a schedule and a corpus to train on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from interp.corpora.files import file_documents
from interp.runs.atomic import write_json
from tests.interp.cli.calling import call
from tests.training.sampling.made_run import make_run

TOPICS = (
    "the cat sat on the mat and purred at the mouse",
    "stocks fell as the bank raised its interest rates",
    "simmer the onions in butter and add the stock",
)


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, err = call(capsys, "sample", *words, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    """Three topics of 24, 9 and 3 documents, one row that is none, one id twice."""
    rows = []
    for topic, (text, count) in enumerate(zip(TOPICS, (24, 9, 3), strict=True)):
        words = text.split()
        for number in range(count):
            turned = words[number % len(words) :] + words[: number % len(words)]
            rows.append(
                {"id": f"{topic}-{number}", "body": " ".join([*turned, *turned[::-1], *words[number % 5 :]]), "topic": topic}
            )
    lines = [*map(json.dumps, rows), "no json", json.dumps({"id": "0-0", "body": "the id again"})]
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    return str(tmp_path / "corpus.jsonl")


@pytest.mark.slow
def test_from_a_file_to_a_corpus_to_train_on(corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, schedule, out = str(tmp_path / "run"), str(tmp_path / "schedule.yaml"), tmp_path / "resampled.jsonl"
    settings = ["--text-column", "body", "--embedder", "tfidf", "--map", "pca", "--duplicates", "0", "--engine", "inline"]
    found = asked(capsys, "prepare", corpus, "--out", run, "--clusters", "3", *settings)
    assert (found["documents"], found["clusters"], found["set_aside"]) == (36, 3, 2)
    assert 0 <= found["inertia"] < 1 and found["seconds"] > 0
    tried = asked(capsys, "choose", run, "--clusters", "2,3")["tried"]
    assert [row["clusters"] for row in tried] == [2, 3] and tried[1]["inertia"] < tried[0]["inertia"]
    planned = asked(capsys, "plan", run, "--clip", "2", "--draws", "40", "--out", schedule)
    assert sum(planned["expected"]) == pytest.approx(40)
    drawn = asked(capsys, "draw", run, "--schedule", schedule)
    asked(capsys, "export", run, "--schedule", schedule, "--out", str(out))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [sum(row["sampled_cluster"] == cluster for row in rows) for cluster in range(3)] == drawn["counts"]
    again = asked(capsys, "assign", run, corpus, "--out", str(tmp_path / "again"), "--text-column", "body")
    assert again["counts"] == pd.read_parquet(f"{run}/clusters.parquet")["size"].tolist() and again["documents"] == 36
    old, new = (pd.read_parquet(f"{folder}/assignments.parquet") for folder in (run, tmp_path / "again"))
    assert new.columns.tolist() == ["id", "cluster", "similarity", "second", "margin"]
    assert new["cluster"].tolist() == old["cluster"].tolist() and new["id"].tolist() == old["id"].tolist()
    assert new["similarity"].to_numpy() == pytest.approx(old["similarity"].to_numpy(), abs=1e-5)
    assert len(list(file_documents(out))) == 40 and {row["topic"] for row in rows} == {0, 1, 2}


def test_another_number_of_clusters_embeds_nothing_again(
    corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = str(tmp_path / "run"), str(tmp_path / "other")
    settings = ["--text-column", "body", "--embedder", "tfidf", "--map", "pca", "--engine", "inline"]
    asked(capsys, "prepare", corpus, "--out", run, "--clusters", "3", *settings)
    found = asked(capsys, "prepare", corpus, "--out", other, "--clusters", "4", "--embedded", run, *settings)
    assert found["clusters"] == 4 and found["documents"] == 36
    part = "embeddings/part-00000.parquet"
    assert Path(run, part).samefile(Path(other, part))
    words = ["--out", str(tmp_path / "third"), "--embedded", run, "--seed", "7", *settings]
    code, out, err = call(capsys, "sample", "prepare", corpus, *words)
    assert (code, out) == (2, "") and "its seed 42 (now 7)" in err and err.count("\n") == 1


def test_a_refused_corpus_leaves_nothing(corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", [3, 2])
    manifest = run.manifest | {"config": {"job": "sample prepare", "embedder": "tfidf"}}
    write_json(run.path / "manifest.json", manifest)
    code, _, err = call(capsys, "sample", "assign", str(run.path), corpus, "--out", str(tmp_path / "new"))
    assert code == 2 and "has no column 'text'" in err and not (tmp_path / "new").exists()
    code, _, err = call(capsys, "sample", "assign", str(tmp_path), corpus, "--out", str(tmp_path / "new"))
    assert code == 2 and "is no run folder" in err and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["--clusters", "1"], "1 clusters were asked for"),
        (["--clusters", "37"], "37 clusters of 36 documents"),
        (["--text-column", "text"], "has no column 'text'"),
        (["--map", "tsne"], "unknown map 'tsne'"),
        (["--clustering", "ward"], "unknown clustering 'ward'"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], said: str, corpus: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    code, out, err = call(
        capsys, "sample", "prepare", corpus, "--out", str(run), "--text-column", "body", "--embedder", "tfidf", *words
    )
    assert (code, out) == (2, "") and said in err.splitlines()[-1]
