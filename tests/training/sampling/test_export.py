"""A resampled corpus holds what the sampler draws, in its order, in every format."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import zstandard

from interp.corpora.files import SAMPLED_DOCUMENT, file_documents
from interp.corpora.records import Record, read_records
from interp.runs.errors import UserError
from tests.training.sampling.made_run import make_run
from training.sampling import export as module
from training.sampling.export import CLUSTER, REPEAT, export
from training.sampling.folder import SamplingRun
from training.sampling.sampler import ClusterSampler
from training.sampling.strategies import Budget, Strategy


@pytest.fixture
def run(tmp_path: Path) -> SamplingRun:
    return make_run(tmp_path / "run", [20, 9, 2], duplicates=3)


def sampler(run: SamplingRun) -> ClusterSampler:
    return ClusterSampler.of_run(run, Strategy.named("clusterclip", clip=2), Budget(50), seed=1)


def rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_dict("records")
    data = path.read_bytes()
    plain = {".gz": gzip.decompress, ".zst": lambda held: zstandard.ZstdDecompressor().decompressobj().decompress(held)}
    return [json.loads(line, parse_constant=None) for line in plain.get(path.suffix, bytes)(data).decode().splitlines()]


@pytest.mark.parametrize("name", ["some.jsonl", "some.jsonl.gz", "some.jsonl.zst", "some.parquet"])
def test_the_stream_in_its_order(name: str, run: SamplingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 8)
    drawn = list(sampler(run))
    told = export(run, sampler(run), tmp_path / "out" / name)
    found = rows(tmp_path / "out" / name)
    texts = [text for batch in run.documents(["text"]) for text in batch.column(0).to_pylist()]
    assert [(row["id"], row["text"]) for row in found] == [(f"d{number}", texts[number]) for number in drawn]
    clusters = run.assignments["cluster"].tolist()
    assert [row[CLUSTER] for row in found] == [clusters[number] for number in drawn]
    assert [row[REPEAT] for row in found] == [drawn[:at].count(number) for at, number in enumerate(drawn)]
    assert all(row[SAMPLED_DOCUMENT] == row["id"] for row in found)
    assert [row["tokens"] for row in found] == [1 + number % 4 for number in drawn]
    assert told == (50, len(set(drawn)), max(map(drawn.count, drawn))) and told.max_repeats == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_more_than_the_clips_allow(run: SamplingRun, tmp_path: Path) -> None:
    goes_on = Strategy.named("clusterclip", clip=2, on_exhausted="random")
    told = export(run, ClusterSampler.of_run(run, goes_on, Budget(3 * 31)), tmp_path / "some.parquet")
    assert told == (93, 31, 3)
    assert sorted(row[REPEAT] for row in rows(tmp_path / "some.parquet")) == [0] * 31 + [1] * 31 + [2] * 31


def test_json_has_no_nan(run: SamplingRun, tmp_path: Path) -> None:
    export(run, sampler(run), tmp_path / "some.jsonl")
    assert "NaN" not in (tmp_path / "some.jsonl").read_text()
    assert {row["score"] for row in rows(tmp_path / "some.jsonl")} == {None, 0.5}


def test_our_own_reader_takes_it_back(run: SamplingRun, tmp_path: Path) -> None:
    export(run, sampler(run), tmp_path / "some.jsonl.zst")
    found = [one for one in read_records(str(tmp_path / "some.jsonl.zst"), id_column="none") if isinstance(one, Record)]
    assert len(found) == 50 and REPEAT in found[0].metadata


def test_a_language_model_trains_on_it_and_holds_out_repeats_together(run: SamplingRun, tmp_path: Path) -> None:
    export(run, sampler(run), tmp_path / "some.jsonl")
    documents = list(file_documents(tmp_path / "some.jsonl"))
    assert len(documents) == 50 and len({document.source for document in documents}) == len(set(sampler(run)))


def test_refuses_other_endings_before_anything_is_written(run: SamplingRun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"accepted endings are \.jsonl, "):
        export(run, sampler(run), tmp_path / "new" / "some.csv")
    assert not (tmp_path / "new").exists()
