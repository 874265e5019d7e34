"""`interp moe upcycle`, `train`, `evaluate`: the script contract on a small model, and mistakes told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tests.interp.cli.calling import call
from tests.training.moe.dense import written_model, written_text

SIZES = (
    "--experts",
    "4",
    "--ranks",
    "2",
    "--steps",
    "2",
    "--batch",
    "4",
    "--context",
    "96",
    "--k",
    "1",
    "--held-out",
    "384",
)
KEYS = ("router", "rectify", "fill", "trained_with", "capacity")
MEASURES = ("loss", "accuracy", "dropped", "padding")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    written_model(folder)
    written_text(folder)
    return folder


def test_an_upcycled_model_is_one_that_transformers_loads(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["moe", "upcycle", "--model", str(folder / "dense"), "--experts", "4", "--ranks", "2", "--out"]
    code, out, err = call(capsys, *words, str(tmp_path / "moe"), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["format"] == "mixtral" and found["no_mixtral"] is None
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "moe")
    assert type(model).__name__ == "MixtralForCausalLM"
    assert found["parameters"] == sum(weight.numel() for weight in model.parameters())
    code, out, _ = call(capsys, *words, str(tmp_path / "second"), "--every", "2")
    assert code == 0 and "2 of 4 layers have experts; Mixtral has them in every layer" in out
    code, out, err = call(capsys, *words, str(tmp_path / "moe"))
    assert code == 2 and not out and "exists; accepted is a new folder" in err and err.count("\n") == 1


def test_the_script_contract_of_evaluate(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / f"run_{seed}") for seed in (1, 2)]
    text = ("--text", str(folder / "text.jsonl"), "--model", str(folder / "dense"))
    for seed, run in enumerate(runs, start=1):
        code, out, err = call(capsys, "moe", "train", "--out", run, *SIZES, *text, "--seed", str(seed), "--json")
        assert code == 0 and {"loss", "accuracy", "no_mixtral"} <= set(json.loads(out)), err
    asked = ("--test", "plain,FR+IR", "--capacity", "0.5,1", "--orders", "confidence,reverse")
    code, out, err = call(capsys, "moe", "evaluate", *runs, *asked, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [tuple(row[key] for key in KEYS) for row in found["table"]] == [
        ("top-1", "off", "off", "plain", 0.5), ("top-1", "off", "off", "plain", 1.0),
        ("top-1", "on", "own", "plain", 0.5), ("top-1", "on", "own", "plain", 1.0),
    ]  # fmt: skip
    for row in found["table"] + found["orders"]:
        assert row["seeds"] == 2 and all(row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] for name in MEASURES)
    assert len(found["orders"]) == 4 and found["dense"][str(folder / "dense")]["loss"] > 1
    code, out, _ = call(capsys, "moe", "evaluate", runs[0], "--json")
    (row,) = json.loads(out)["table"]
    assert row["capacity"] == 1.0 and row["seeds"] == 1 and row["loss_low"] is None
    code, out, _ = call(capsys, "moe", "evaluate", runs[0])
    assert code == 0 and "accuracy is that of labels in few-shot demonstrations" in out and "loss_low" not in out


@pytest.mark.parametrize(
    "words, told",
    [
        (["upcycle", "--model", "absent"], "'absent' is no language model"),
        (["upcycle", "--k", "9"], "k 9 is more than the 8 experts there are"),
        (["upcycle", "--capacity", "0"], "capacity 0.0 is refused"),
        (["upcycle", "--experts", "6", "--ranks", "4"], "6 experts cannot be divided among 4 ranks"),
        (["upcycle", "--rectify", "yes"], "rectify 'yes' is unknown; accepted are on, off"),
        (["upcycle", "--router", "soft"], "unknown router 'soft'; accepted are top-k"),
        (["train", "--fill", "both"], "fill 'both' is unknown; accepted are off, own, top1"),
        (["train", "--text", "absent.jsonl"], "absent.jsonl cannot be read"),
        (["train", "--context", "1024"], "pieces of 1024 tokens are longer than the 512 positions of the model"),
        (["train", "--router", "expert choice", "--fill", "own"], "fill 'own' with router 'expert choice' is refused"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "moe", *words, "--out", str(tmp_path / "new"), "--json")
    assert code == 2 and not out and told in err and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "words, told",
    [
        ([], "holds no mixture of ours; accepted are folders with moe.json"),
        (["--capacity", "1,many"], "'1,many' is no list of capacities"),
    ],
)
def test_runs_that_are_none_are_told(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "moe", "evaluate", str(tmp_path), *words, "--json")
    assert code == 2 and not out and told in err and err.count("\n") == 1
