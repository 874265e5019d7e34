"""`interp circuits trace` from arguments to JSON, on random weights."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import torch

from interp.circuits.export import schema
from interp.cli.main import main
from interp.dictionaries.sets import DictionarySet
from interp.dictionaries.topk import TopKDictionary
from interp.othello import transformer
from interp.othello.transformer import OthelloTransformer

GAME = "f5 d6 c3 d3 c4 f4"


@pytest.fixture
def dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A random transformer in place of the shipped one, and the folder of a random set for it."""
    generator = torch.Generator().manual_seed(0)
    model = OthelloTransformer(generator=generator).eval()
    monkeypatch.setattr(transformer, "load_shipped", lambda: model)
    found = {}
    for site in model.sites:
        dictionary = TopKDictionary({"architecture": "topk", "d_in": 128, "d_sae": 64, "k": 8, "apply_b_dec_to_input": True,
                                     "dtype": "float32"})
        for parameter in dictionary.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        found[site] = dictionary
    DictionarySet(found).save(tmp_path / "set")
    return tmp_path / "set"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = 0
    try:
        main(["circuits", "trace", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("target", ["logit:c5@6", "feature:L2M/3@5", "attention:L1H3@6,2"])
def test_json_has_the_contract_keys_and_adds_up(target: str, dictionaries: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = tmp_path / "out.json"
    code, out, err = run(capsys, "--moves", GAME, "--target", target, "--set", str(dictionaries), "--json", "--graph", str(graph))
    assert code == 0, err
    found = json.loads(out)
    assert {"value", "features", "embeddings", "errors", "biases", "residual", "nodes", "edges", "seconds"} <= set(found)
    total = sum(found[name] for name in ("features", "embeddings", "errors", "biases"))
    assert found["value"] == pytest.approx(total + found["residual"], abs=1e-9)
    assert abs(found["residual"]) < 1e-3
    document = json.loads(graph.read_text())
    jsonschema.validate(document, schema())
    assert (len(document["nodes"]), len(document["links"])) == (found["nodes"], found["edges"])
    assert document["metadata"]["prompt"] == GAME


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--moves", "f5 a1", "--target", "logit:c4@1"), "a1 at ply 2 is illegal"),
        (("--moves", GAME, "--target", "logit:c4@7"), "positions are 1 .. 6"),
        (("--target", "logit:c4@7"), "say what to trace"),
        (("--moves", GAME, "--target", "logit:c4@1", "--set", "nowhere"), "no dictionary set 'nowhere'"),
        (("--model", "x", "--prompt", "a", "--dictionaries", "/nowhere", "--target", "logit:c4@1"), "is no folder"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], says: str, dictionaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "--moves" in arguments and "--set" not in arguments:
        arguments += ("--set", str(dictionaries))
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
