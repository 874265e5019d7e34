"""The benchmark's figures agree with each other on a tiny model, and are what their names say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import language_circuit
from benchmarks.language_circuit import Size, main, measure
from interp.dictionaries.language import LanguageTraining, train_language
from interp.models.load import load
from interp.models.network import Network
from tests.interp.models.families import tokenizer, transformers_model


def test_figures_of_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(transformers_model("llama"), tokenizer=tokenizer())
    training = LanguageTraining(steps=12, model="tiny", context=32, windows=2, d_sae=48, k=8, lr=1e-2, warmup=2)
    dictionaries = train_language(training, model, tmp_path / "run")
    for name, text in (("PROMPT", "the cat sat on a"), ("ANSWER", "mat"), ("LONG", "then it ran far away " * 3)):
        monkeypatch.setattr(language_circuit, name, text)
    found = measure(model, tmp_path / "run" / "set", Size(windows=2, edges=6, repeats=1))
    assert found["completeness"] < 1e-5 and found["long_prompt_completeness"] < 1e-5
    assert (found["tokens"], found["long_prompt_tokens"], found["edges_checked"]) == (5, 20, 6)
    assert found["value"] == pytest.approx(sum(found["sums"].values()), abs=1e-3)
    assert found["largest_frozen_gap"] < 1e-2
    assert found["sites"]["site"] == ["L0A", "L0M", "L1A", "L1M"]
    assert 0 < found["active_features_mlp"] <= 8
    assert sum(found["influence_comes_from"].values()) == pytest.approx(1, abs=1e-4)
    record = Network.from_bridge(model.bridge).run(model.tokens("the cat sat on a")[0])
    written = {site: record.output(site)[1:] for site in dictionaries}
    missed = sum(float((x - dictionaries[site](x).reconstruction).square().sum()) for site, x in written.items())
    total = sum(float(x.square().sum()) for x in written.values())
    assert found["explained_on_the_prompt"] == pytest.approx(1 - missed / total, rel=1e-4)
    assert 0 < found["probability_without_circuit_features"] < 1


def test_without_dictionaries_it_says_how_to_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["language_circuit", "--dictionaries", str(tmp_path / "absent" / "set")])
    main()
    out, err = capsys.readouterr()
    assert not out and "interp dictionaries train --model smollm2-135m-instruct --out" in err and err.count("\n") == 1
