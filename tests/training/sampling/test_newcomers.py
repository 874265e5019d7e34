"""New documents in an old run's clusters: a folder of another run is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.runs.errors import UserError
from tests.training.sampling.corpus import write_corpus
from training.sampling.folder import SamplingRun
from training.sampling.newcomers import assign_corpus
from training.sampling.prepare import Preparation, prepare


@pytest.fixture
def run(tmp_path: Path) -> SamplingRun:
    source = write_corpus(tmp_path / "corpus.jsonl")
    prepare(str(source), tmp_path / "run", Preparation(embedder="tfidf", clusters=3, map="pca"), engine="inline")
    return SamplingRun.open(tmp_path / "run")


def test_refusals_write_nothing(run: SamplingRun, tmp_path: Path) -> None:
    source, other = str(tmp_path / "corpus.jsonl"), tmp_path / "other"
    other.mkdir()
    manifest = (run.path / "manifest.json").read_bytes()
    (other / "manifest.json").write_bytes(manifest)
    with pytest.raises(UserError, match="holds a run with other settings"):
        assign_corpus(run, source, other)
    with pytest.raises(UserError, match="no column 'body'"):
        assign_corpus(run, source, tmp_path / "new", text_column="body")
    with pytest.raises(UserError, match="unknown engine 'foo'"):
        assign_corpus(run, source, tmp_path / "new", engine="foo")  # type: ignore[arg-type]
    assert [path.name for path in other.iterdir()] == ["manifest.json"]
    assert (other / "manifest.json").read_bytes() == manifest and not (tmp_path / "new").exists()
