"""From a file to clusters: what the folder holds, refusals that leave nothing, and runs that go on after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score, silhouette_score

from interp.corpora import store as stores
from interp.runs.errors import UserError
from interp.runs.folder import read_manifest
from tests.training.sampling.corpus import SIZES, write_corpus
from training.sampling import prepare as module
from training.sampling.folder import SamplingRun
from training.sampling.prepare import Preparation, prepare

SETTINGS = Preparation(embedder="tfidf", clusters=3, map="pca", seed=2)  # a seed whose first documents differ in topic


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts even of this corpus."""
    monkeypatch.setattr(stores.store, "__kwdefaults__", {**stores.store.__kwdefaults__, "part_rows": 20})


def prepared(folder: Path, settings: Preparation = SETTINGS, **options: Any) -> tuple[dict[str, Any], SamplingRun]:
    source = folder / "corpus.jsonl"
    results = prepare(
        str(source if source.exists() else write_corpus(source)), folder / "run", settings, engine="inline", **options
    )
    return results, SamplingRun.open(folder / "run")


def test_topics_become_clusters(tmp_path: Path) -> None:
    results, run = prepared(tmp_path)
    varying = {"seconds": 0, "inertia": 0, "steps": 0, "characters": 0, "silhouette": 0}
    assert results | varying == {
        "documents": 53, "characters": 0, "clusters": 3, "duplicates": 2, "set_aside": 1, "warning": None, "seconds": 0,
        "inertia": 0, "steps": 0, "silhouette": 0,
    }  # fmt: skip
    assert run.manifest["results"] == results and run.manifest["config"]["clusters"] == 3
    topics = [name for batch in run.documents(["topic"]) for name in batch.column(0).to_pylist()]
    assert normalized_mutual_info_score(topics, run.assignments["cluster"]) == 1
    assert run.sizes.tolist() == list(SIZES.values()) and run.clusters["duplicates"].sum() == 2
    assert [set(terms[:3]) <= words for terms, words in zip(run.clusters["terms"], _words(), strict=True)] == [True] * 3


def _words() -> list[set[str]]:
    from tests.training.sampling.corpus import TOPICS

    return [set(words) for words in TOPICS.values()]


def test_tables_agree_with_each_other(tmp_path: Path) -> None:
    results, run = prepared(tmp_path)
    vectors, found = run.embeddings.rows(range(53)), run.assignments
    similarity = vectors @ run.centroids.T
    best, second = similarity.topk(2).values.T.numpy()
    np.testing.assert_allclose(found["similarity"], best, atol=1e-5)
    np.testing.assert_allclose(found["margin"], best - second, atol=1e-5)
    assert (found["cluster"].to_numpy() == similarity.argmax(1).numpy()).all()
    kept = found["duplicate_of"].isna().to_numpy()
    assert results["inertia"] == pytest.approx(1 - best[kept].mean(), abs=1e-6)
    label = found["cluster"][kept]
    expected = silhouette_score(vectors.double().numpy()[kept], label, metric="cosine")
    assert results["silhouette"] == pytest.approx(expected, abs=1e-5)
    first = found["id"][0]
    assert dict(zip(found["id"][~kept], found["duplicate_of"][~kept], strict=True)) == {"again": first, "more": first}
    characters = np.array([number for batch in run.documents(["characters"]) for number in batch.column(0).to_pylist()])
    assert run.clusters["characters"].sum() == characters[kept].sum() and results["characters"] == characters.sum()
    for _, cluster in run.clusters.iterrows():
        members = set(found["id"][run.members(cluster["cluster"])])
        assert len(cluster["medoids"]) == 5 and members.issuperset(
            [*cluster["medoids"], *cluster["borderline"], *cluster["random"]]
        )
        nearest = found[found["id"].isin(members)].sort_values("similarity", ascending=False)["similarity"]
        assert found.set_index("id")["similarity"][list(cluster["medoids"])].tolist() == nearest[:5].tolist()
    assert found[["x", "y"]].notna().all().all()


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("stage", ["near_duplicates", "spherical_kmeans", "assign", "cluster_terms"])
def test_a_killed_run_ends_with_the_same_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    whole, run = prepared(tmp_path)

    def dies(*_: object, **__: object) -> None:
        raise Killed

    (tmp_path / "again").mkdir()
    write_corpus(tmp_path / "again" / "corpus.jsonl")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, stage, dies)
        prepared(tmp_path / "again")
    part = tmp_path / "again" / "run" / "embeddings" / "part-00001.parquet"
    before = (tmp_path / "again" / "run" / "embeddings" / "part-00000.parquet").stat().st_mtime_ns
    part.unlink()
    resumed, again = prepared(tmp_path / "again")
    assert resumed | {"seconds": 0} == whole | {"seconds": 0}
    assert again.assignments.equals(run.assignments) and torch.equal(again.centroids, run.centroids)
    assert (tmp_path / "again" / "run" / "embeddings" / "part-00000.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"clusters": 1}, "1 clusters"),
        ({"clusters": 54}, "54 clusters of 53 documents"),
        ({"text_column": "body"}, "no column 'body'"),
        ({"embedder": "nowhere"}, "no embedder 'nowhere'"),
        ({"duplicates": 2.0}, "similarity 2.0"),
        ({"map": "tsne"}, "unknown map 'tsne'"),
        ({"clustering": "sklearn"}, "unknown clustering 'sklearn'"),
    ],
)
def test_a_refusal_leaves_nothing(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        prepared(tmp_path, Preparation(**({"embedder": "tfidf", "map": "pca"} | settings)))
    assert not (tmp_path / "run").exists()


def test_a_refusal_spares_what_was_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UserError):
        prepared(tmp_path, Preparation(embedder="tfidf", clusters=99))
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    assert prepared(tmp_path)[0]["clusters"] == 3


def test_a_refused_corpus_is_not_what_the_next_run_there_works_on(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "few.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    with pytest.raises(UserError, match="3 clusters of 2 documents"):
        prepare(str(tmp_path / "few.jsonl"), tmp_path / "run", SETTINGS)
    assert not list((tmp_path / "run").iterdir())
    assert prepared(tmp_path)[0]["documents"] == 53


def test_a_refusal_spares_a_run_that_is_complete(tmp_path: Path) -> None:
    _, run = prepared(tmp_path)
    pq.write_table(pq.read_table(run.path / "set_aside.parquet").replace_schema_metadata(), run.path / "set_aside.parquet")
    with pytest.raises(UserError, match="documents of another corpus: source unknown"):
        prepared(tmp_path)
    assert read_manifest(run.path) == run.manifest


def test_an_unknown_engine_is_refused_before_the_folder_is_made(tmp_path: Path) -> None:
    source = str(write_corpus(tmp_path / "corpus.jsonl"))
    with pytest.raises(UserError, match="unknown engine 'foo'; accepted are auto, "):
        prepare(source, tmp_path / "run", SETTINGS, engine="foo")  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_other_settings_are_refused(tmp_path: Path) -> None:
    prepared(tmp_path)
    with pytest.raises(UserError, match=r"clusters 3 \(now 4\)"):
        prepared(tmp_path, Preparation(embedder="tfidf", clusters=4, map="pca", seed=2))
    assert read_manifest(tmp_path / "run")["status"] == "complete"


@pytest.mark.parametrize("duplicates", [0.8, 0.0])
def test_identical_texts_are_one_cluster_and_a_warning(
    tmp_path: Path, duplicates: float, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"text": "the same words again and again"}\n' * 30)
    results, run = prepared(tmp_path, Preparation(embedder="tfidf", clusters=5, map="pca", duplicates=duplicates))
    assert results["clusters"] == 1 and "different vectors among" in results["warning"]
    assert "warning: " in capsys.readouterr().err
    assert run.sizes.tolist() == [1 if duplicates else 30]
    assert run.assignments["margin"].isna().all() and run.members(0)[0] == 0
