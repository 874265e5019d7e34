"""`interp dictionaries` from training to search, on a small model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from interp.othello.transformer import OthelloConfig, OthelloTransformer, save
from tests.interp.cli.calling import call


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save(OthelloTransformer(OthelloConfig(n_layers=2), generator=torch.Generator().manual_seed(0)), path)
    return str(path)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in _numbers(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("kind", ["topk", "transcoder"])
def test_train_evaluate_features_compare(kind: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, sites = str(tmp_path / "run"), ["L0M", "L1M"] if kind == "transcoder" else ["L0A", "L0M", "L1A", "L1M"]
    code, _, err = call(
        capsys, "dictionaries", "train", "--kind", kind, "--out", run, "--model", model, "--steps", "10", "--games", "4"
    )
    assert code == 0, err
    where = f"{run}/set"
    code, out, _ = call(capsys, "dictionaries", "evaluate", "--set", where, "--model", model, "--games", "3", "--json")
    result = json.loads(out)
    assert [row["site"] for row in result["sites"]] == sites
    wanted = {"l0", "explained_variance", "norm_ratio", "loss_recovered", "zero_cost", "alive", "antipodal"}
    assert all(wanted <= row.keys() for row in result["sites"])
    assert list(result["coverage"]) == list(result["reconstruction"]) == sites
    assert 0 <= result["joint_legal_top1"] <= 1 and result["baselines"]["probes"] is None
    assert all(abs(number) < 1e6 for number in _numbers(result))
    code, out, _ = call(capsys, "dictionaries", "features", "--set", where, "--model", model, "--games", "3", "--json")
    assert code == 0 and json.loads(out)["features"] > 0 and (tmp_path / "run/set/cards.parquet").exists()
    code, out, _ = call(capsys, "dictionaries", "features", "--set", where, "--search", "is", "--limit", "3", "--json")
    found = json.loads(out)["features"]
    assert len(found) == 3 and all("is" in row["label"].split() for row in found)
    table = tmp_path / "pareto.json"
    again = str(shutil.copytree(where, tmp_path / "again"))
    code, out, _ = call(
        capsys, "dictionaries", "compare", where, again, "--model", model, "--games", "3", "--out", str(table), "--json"
    )
    rows = json.loads(out)["sets"]
    assert json.loads(table.read_text())["sets"] == rows
    assert [row.pop("label") for row in rows] == [where, again] and rows[0] == rows[1]
    assert rows[0]["family"] == kind and rows[0]["k"] == 32
    assert rows[0]["l0"] == pytest.approx(sum(row["l0"] for row in result["sites"]) / len(sites), rel=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--kind", "gated", "--out", "x"), "no kind of dictionary 'gated'; kinds are topk, l1"),
        (("evaluate", "--set", "absent"), "no dictionary set 'absent'"),
        (("features", "--set", "absent", "--search", "c4"), "holds no feature cards"),
        (("compare", "absent", "--games", "1"), "no dictionary set 'absent'"),
        (("evaluate", "--games", "0"), "Invalid value for '--games'"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "dictionaries", *words)
    assert code == 2 and out == "" and told in err and err.count("\n") == 1
