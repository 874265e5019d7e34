"""A corpus clustered otherwise with what another run embedded: the same result, whole by itself, and no other corpus."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interp.corpora import store as stores
from interp.runs.atomic import sha256
from interp.runs.errors import UserError
from tests.training.sampling.corpus import write_corpus
from training.sampling import embed as embedding
from training.sampling.folder import SamplingRun
from training.sampling.newcomers import assign_corpus
from training.sampling.prepare import Preparation, prepare

OLD = Preparation(embedder="tfidf", clusters=3, map="pca", seed=2)
NEW = replace(OLD, clusters=5)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several parts even of this corpus."""
    monkeypatch.setattr(stores.store, "__kwdefaults__", {**stores.store.__kwdefaults__, "part_rows": 20})


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write_corpus(tmp_path / "corpus.jsonl"))


@pytest.fixture
def old(source: str, tmp_path: Path) -> Path:
    prepare(source, tmp_path / "old", OLD, engine="inline")
    return tmp_path / "old"


def prepared(source: str, out: Path, settings: Preparation = NEW, **options: Any) -> tuple[dict[str, Any], SamplingRun]:
    results = prepare(source, out, settings, engine="inline", **options)
    return results | {"seconds": 0}, SamplingRun.open(out)


def refuse_to_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    def embeds(*_: object, **__: object) -> None:
        raise AssertionError("something was embedded")

    monkeypatch.setattr(embedding, "map_shards", embeds)


def assert_same(one: SamplingRun, other: SamplingRun) -> None:
    assert torch.equal(one.centroids, other.centroids)
    assert one.assignments.equals(other.assignments) and one.clusters.equals(other.clusters)
    assert torch.equal(one.embeddings.rows(np.arange(53)), other.embeddings.rows(np.arange(53)))


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("links", [True, False])
def test_another_number_of_clusters_is_as_if_prepared_anew(
    links: bool, source: str, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With hard links and on a disk without them; and the other run can go."""
    anew, whole = prepared(source, tmp_path / "anew")
    before = contents(old)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    refuse_to_embed(monkeypatch)
    results, run = prepared(source, tmp_path / "new", embedded=old)
    assert results == anew
    assert_same(run, whole)
    assert contents(old) == before
    part = Path("embeddings") / "part-00001.parquet"
    assert (old / part).samefile(run.path / part) == links
    note = json.loads((run.path / "embedded.json").read_text())
    assert note["run"] == str(old) and note["config"]["clusters"] == 3 and note["versions"]
    shutil.rmtree(old)
    assert_same(SamplingRun.open(run.path), whole)
    monkeypatch.undo()
    found = assign_corpus(SamplingRun.open(run.path), source, tmp_path / "assigned", engine="inline")
    assert found["counts"] == np.bincount(whole.assignments["cluster"]).tolist()


def test_what_was_taken_over_can_be_taken_over_again(source: str, old: Path, tmp_path: Path) -> None:
    """And the note still names the run that embedded."""
    prepared(source, tmp_path / "new", embedded=old)
    shutil.rmtree(old)
    _, run = prepared(source, tmp_path / "newer", OLD, embedded=tmp_path / "new")
    assert json.loads((run.path / "embedded.json").read_text())["run"] == str(old)


def test_other_near_duplicates_are_looked_for_anew(source: str, old: Path, tmp_path: Path) -> None:
    without = replace(NEW, duplicates=0.0)
    results, run = prepared(source, tmp_path / "new", without, embedded=old)
    anew, whole = prepared(source, tmp_path / "anew", without)
    assert results == anew and results["duplicates"] == 0
    assert_same(run, whole)
    again, _ = prepared(source, tmp_path / "with", embedded=run.path)
    assert again["duplicates"] == 2


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("again", ["with the option", "without it"])
@pytest.mark.parametrize("links", range(9))
def test_a_killed_run_goes_on(
    links: int, again: str, source: str, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew, whole = prepared(source, tmp_path / "anew")
    link, made = Path.hardlink_to, []

    def dies(target: Path, source: Path) -> None:
        if len(made) == links:
            raise Killed
        made.append(target)
        link(target, source)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "hardlink_to", dies)
        prepared(source, tmp_path / "new", embedded=old)
    results, run = prepared(source, tmp_path / "new", embedded=old if again == "with the option" else None)
    assert results == anew
    assert_same(run, whole)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"seed": 3}, r"its seed 2 \(now 3\); accepted is a run of the same source and columns by the same embedder"),
        ({"embedder": "minilm"}, r"its embedder tfidf \(now minilm\)"),
        ({"id_column": "topic"}, r"its id_column id \(now topic\)"),
        ({"text_column": "topic"}, r"its text_column text \(now topic\)"),
        ({"clusters": 54}, "54 clusters of 53 documents"),
    ],
)
def test_a_refusal_leaves_nothing(change: dict[str, Any], said: str, source: str, old: Path, tmp_path: Path) -> None:
    before = contents(old)
    with pytest.raises(UserError, match=said):
        prepared(source, tmp_path / "new", replace(NEW, **change), embedded=old)
    assert not (tmp_path / "new").exists() and contents(old) == before


def test_another_source_is_refused(source: str, old: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"its source .*corpus.jsonl \(now .*other.jsonl\)"):
        prepared(str(write_corpus(tmp_path / "other.jsonl")), tmp_path / "new", embedded=old)
    assert not (tmp_path / "new").exists()


def test_the_run_may_be_repeated_and_named_otherwise_meanwhile(
    source: str, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = prepared(source, tmp_path / "new", embedded=old)
    prepared(source, old, OLD)
    monkeypatch.chdir(old.parent)
    again, _ = prepared(source, tmp_path / "new", embedded=Path(old.name))
    assert again == first


def test_runs_that_have_nothing_to_give_are_refused(source: str, old: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run folder"):
        prepared(source, tmp_path / "new", embedded=tmp_path)
    shutil.rmtree(old / "embeddings")
    with pytest.raises(UserError, match="holds embeddings of 0 of 53 documents"):
        prepared(source, tmp_path / "new", embedded=old)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_documents_of_its_own_is_spared(source: str, old: Path, tmp_path: Path) -> None:
    _, run = prepared(source, tmp_path / "new")
    before = contents(run.path)
    with pytest.raises(UserError, match="has documents that are not from"):
        prepared(source, run.path, embedded=old)
    assert contents(run.path) == before
    with pytest.raises(UserError, match="has documents that are not from"):
        prepared(source, old, OLD, embedded=old)
    assert SamplingRun.open(old).manifest["status"] == "complete"
