"""The streamed run on tiny random models of every family: hooks, resuming, refusals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from interp.heads.index import run
from interp.heads.index.options import IndexOptions
from interp.heads.index.relation_index import RelationIndex
from interp.heads.index.result import Measurement
from interp.heads.index.run import read_measurement, relation_index
from interp.heads.relations.aligned import AlignedDocument
from interp.models.bridge import LanguageModel
from interp.models.load import load
from interp.models.network import Network
from interp.runs.errors import UserError
from tests.interp.heads.cases import brute_force, random_documents
from tests.interp.models.families import tokenizer, transformers_model

FAMILIES = ["llama", "qwen2", "gpt2", "neox"]


@pytest.fixture(scope="module")
def models() -> dict[str, LanguageModel]:
    return {kind: load(transformers_model(kind), tokenizer=tokenizer()) for kind in FAMILIES}


@pytest.fixture(scope="module")
def documents() -> list[AlignedDocument]:
    return random_documents(3, count=9, vocab=20)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PART", 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize(
    "options", [IndexOptions(), IndexOptions("embed", "attended"), IndexOptions(final_norm=True)], ids=str
)
def test_hooks_of_every_family_give_the_definition(
    kind: str, options: IndexOptions, models: dict[str, LanguageModel], documents: list[AlignedDocument]
) -> None:
    measurement = relation_index(models[kind], documents[:4], options, progress=False)
    network = Network.from_bridge(models[kind].bridge).to(torch.float64)
    with torch.no_grad():
        expected = brute_force(network, documents[:4], options, tau=0.0)
    keys = ["document", "triplet", "direction", "layer", "head"]
    rows = measurement.rows.to_table().to_pandas()
    found = rows[rows.events > 0].groupby(keys, observed=True)[["sum", "events"]].sum()
    assert found["events"].to_dict() == {key: count for key, (_, count) in expected.items()}
    assert max(abs(found["sum"][key] / count - total / count) for key, (total, count) in expected.items()) < 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("small_parts")
def test_an_interrupted_run_ends_with_the_same_files(
    models: dict[str, LanguageModel], documents: list[AlignedDocument], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = relation_index(models["llama"], documents, out=tmp_path / "whole")
    measure, calls = RelationIndex.measure, []

    def killed(self: RelationIndex, batch: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return measure(self, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(RelationIndex, "measure", killed)
        with pytest.raises(KeyboardInterrupt):
            relation_index(models["llama"], documents, out=tmp_path / "killed")
    with pytest.raises(UserError, match="no finished relation index"):
        read_measurement(tmp_path / "killed")
    (tmp_path / "killed/sums/part-00001.parquet").unlink()  # killed between its two files
    relation_index(models["llama"], documents, out=tmp_path / "killed")
    for kind in ("sums", "ratios"):
        names = [file.name for file in sorted((tmp_path / "whole" / kind).iterdir())]
        assert len(names) == 5 and names == [file.name for file in sorted((tmp_path / "killed" / kind).iterdir())]
        for name in names:
            assert pq.read_table(tmp_path / "killed" / kind / name).equals(pq.read_table(tmp_path / "whole" / kind / name))
    assert_same(read_measurement(tmp_path / "killed"), whole)
    assert_same(relation_index(models["llama"], documents), whole)


def assert_same(found: Measurement, expected: Measurement) -> None:
    pd.testing.assert_frame_equal(found.table(), expected.table())
    pd.testing.assert_frame_equal(found.ratios, expected.ratios)


@pytest.mark.slow
def test_a_folder_of_other_settings_is_refused(
    models: dict[str, LanguageModel], documents: list[AlignedDocument], tmp_path: Path
) -> None:
    relation_index(models["gpt2"], documents[:3], out=tmp_path)
    relation_index(models["gpt2"], documents[:3], IndexOptions(tau=3.0, average="micro"), out=tmp_path)
    for changed in (IndexOptions(source="embed"), IndexOptions(tau=1.7)):
        with pytest.raises(UserError, match="holds a run with other settings"):
            relation_index(models["gpt2"], documents[:3], changed, out=tmp_path)
    with pytest.raises(UserError, match="fingerprint"):
        relation_index(models["gpt2"], documents[1:4], out=tmp_path)
    with pytest.raises(UserError, match=r"tau 1\.7 was not measured; this measurement has 0, 1\.5, 2, 2\.2"):
        read_measurement(tmp_path).table(tau=1.7)


@pytest.mark.slow
def test_documents_that_do_not_fit_are_refused(models: dict[str, LanguageModel], documents: list[AlignedDocument]) -> None:
    one = documents[0]
    with pytest.raises(UserError, match=r"document 'd0' has 70 tokens; this model reads at most 64"):
        relation_index(models["gpt2"], [one._replace(tokens=torch.arange(70) % 20)])
    with pytest.raises(UserError, match="two documents have the name 'd0'"):
        relation_index(models["gpt2"], [one, one])
    with pytest.raises(UserError, match="0 documents hold no relation triplet"):
        relation_index(models["gpt2"], [])
    with pytest.raises(UserError, match="1 documents hold no relation triplet"):
        relation_index(models["gpt2"], [one._replace(triplets=())])
