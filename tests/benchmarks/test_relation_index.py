"""The benchmark's two ways agree on a tiny model, and its figures are what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.relation_index import Size, context_only, main, measure, sample, whole_vocabulary
from interp.models.bridge import LanguageModel
from interp.models.load import load
from tests.interp.heads.cases import random_documents
from tests.interp.models.families import tokenizer, transformers_model


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(transformers_model("llama"), tokenizer=tokenizer())


@pytest.mark.slow
def test_both_ways_give_the_same_shares(model: LanguageModel) -> None:
    samples = sample(model, random_documents(1, count=6, vocab=40), every=1)
    ours, theirs = context_only(samples), whole_vocabulary(samples)
    assert sum(len(one.events.row) for one in samples) > 100
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-3)
        np.testing.assert_allclose(mine.sum(1), 1, atol=1e-9)


@pytest.mark.slow
def test_figures_of_a_tiny_model(model: LanguageModel) -> None:
    found = measure(model, random_documents(2, count=5, vocab=40), Size(None, 2, 2, 1))
    assert found["documents"] == 5 and found["triplets"] == 25
    assert found["index_seconds"] > found["of_which_table_seconds"] > 0
    assert found["peak_memory_gb"] >= found["peak_memory_of_one_part_gb"] > 0
    assert found["scored_both_ways"] > 10 and found["times_whole_vocabulary"] > 0
    assert found["target"].keys() <= found.keys()


def test_without_data_it_says_what_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["relation_index", "--agenda", str(tmp_path / "absent.tsv")])
    main()
    out, err = capsys.readouterr()
    assert not out and "absent.tsv is absent: give AGENDA's test.tsv by --agenda" in err and err.count("\n") == 1
