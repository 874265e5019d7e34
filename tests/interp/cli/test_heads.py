"""`interp heads index` on tiny models of four families, and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.interp.cli.calling import call
from tests.interp.models.families import transformers_model

FAMILIES = ["llama", "qwen2", "gpt2", "neox"]
ROWS = [
    ("the cat sat on a mat and then it ran away from here", "cat", "near", "mat"),
    ("then the cat ran far away from a mat", "mat", "near", "cat"),
    ("it sat here and the cat ran", "sat", "before", "ran"),
]
ROW = {"layer", "head", "relation", "direction", "index", "control", "p_value", "events"}


def byte_level() -> Any:
    """Fifty byte-level pieces of the rows' words: what transformers makes of a saved tokenizer of any of the families."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=50, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    core.train_from_iterator([text for text, *_ in ROWS] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("table") / "relations.tsv"
    lines = ["text\thead\trelation\ttail", *("\t".join(row) for row in ROWS * 4)]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of each family, as transformers saves them."""
    root = tmp_path_factory.mktemp("models")
    for kind in FAMILIES:
        transformers_model(kind).save_pretrained(root / kind)
        byte_level().save_pretrained(root / kind)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_gives_a_row_for_every_head(
    kind: str, folder: Path, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(folder / kind)
    code, out, err = call(
        capsys, "heads", "index", "--model", model, "--table", table, "--tau", "0", "--out", str(tmp_path / "run"), "--json"
    )
    assert code == 0, err
    result = json.loads(out)
    assert {"heads", "seconds", "options"} <= result.keys()
    assert len(result["heads"]) == 2 * 4 * 2 * 2 and all(row.keys() >= ROW for row in result["heads"])
    assert {(row["relation"], row["direction"]) for row in result["heads"]} == {
        (relation, direction) for relation in ("near", "before") for direction in ("forward", "reverse")
    }
    assert result["options"]["tau"] is None and result["options"]["source"] == "resid"
    for row in result["heads"]:
        assert 0 <= row["index"] <= 1
        assert row["events"] or (row["index"] == 0 and row["p_value"] is None and row["control"] is None)
    assert sum(row["events"] for row in result["heads"]) > 5
    code, again, _ = call(
        capsys, "heads", "index", "--model", model, "--table", table, "--tau", "0", "--out", str(tmp_path / "run"), "--json"
    )
    assert json.loads(again)["heads"] == result["heads"]


@pytest.mark.slow
def test_options_and_text(folder: Path, table: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--source",
        "embed",
        "--ov-token",
        "attended",
        "--average",
        "micro",
        "--final-norm",
        "--limit",
        "6",
        "--tau",
        "1.5",
    ]
    code, out, err = call(capsys, "heads", "index", "--model", str(folder / "llama"), "--table", table, *options)
    assert code == 0, err
    assert "tested cells above their random tails" in out
    code, out, _ = call(
        capsys, "heads", "index", "--model", str(folder / "gpt2"), "--table", table, *options, "--bos", "--json"
    )
    told = json.loads(out)["options"]
    assert (
        told | {"source": "embed", "ov_token": "attended", "average": "micro", "final_norm": True, "bos": True, "tau": 1.5}
        == told
    )


def mistakes(folder: Path, table: str, tmp_path: Path) -> dict[str, tuple[list[str], str]]:
    """Words of the command, and what the one line says."""
    empty, tree = tmp_path / "empty.tsv", tmp_path / "tree.conllu"
    empty.write_text("text\thead\trelation\ttail\n")
    tree.write_text("1\tcat\tcat\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\tsat\tsit\tVERB\t_\t_\t0\troot\t_\t_\n\n")
    model = ["--model", str(folder / "llama")]
    return {
        "no file": ([*model], "exactly one"),
        "two files": ([*model, "--table", table, "--conllu", str(tree)], "exactly one"),
        "absent": ([*model, "--table", str(tmp_path / "absent.tsv")], "absent.tsv"),
        "no triplet": ([*model, "--table", str(empty)], "no relation triplet"),
        "unknown label": ([*model, "--conllu", str(tree), "--labels", "subj=nsubjekt"], "nsubjekt"),
        "labels without relation": ([*model, "--conllu", str(tree), "--labels", "nsubj"], "accepted is RELATION=LABEL"),
        "tau": ([*model, "--table", table, "--tau", "0.5"], "a tau of 0.5 is refused"),
        "source": ([*model, "--table", table, "--source", "residual"], "Invalid value for '--source'"),
        "model": (["--model", "absent", "--table", table], "there is no model 'absent'"),
        "othello": (["--model", "othello", "--table", table], "is no language model"),
    }


@pytest.mark.slow
def test_mistakes_are_one_line(folder: Path, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, (words, told) in mistakes(folder, table, tmp_path).items():
        code, out, err = call(capsys, "heads", "index", *words)
        assert (code, out, err.count("\n")) == (2, "", 1) and told in err, (name, err)


@pytest.mark.slow
def test_tokenizers_without_offsets_are_refused(
    folder: Path, table: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedTokenizerFast

    monkeypatch.setattr(PreTrainedTokenizerFast, "is_fast", False)
    code, out, err = call(capsys, "heads", "index", "--model", str(folder / "llama"), "--table", table)
    assert (code, out, err.count("\n")) == (2, "", 1) and "gives no character offsets" in err


@pytest.mark.slow
def test_models_without_softmax_attention_are_refused(
    table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import transformers as t

    config = t.MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, state_size=4, bos_token_id=1, eos_token_id=2)
    t.MambaForCausalLM(config).save_pretrained(tmp_path / "mamba")
    byte_level().save_pretrained(tmp_path / "mamba")
    code, out, err = call(capsys, "heads", "index", "--model", str(tmp_path / "mamba"), "--table", table)
    assert code == 2 and out == "" and "mamba" in err and err.count("\n") == 1


def test_the_short_name_is_the_shipped_model(monkeypatch: pytest.MonkeyPatch) -> None:
    from interp.models import load

    monkeypatch.setattr(load, "_load_shipped", lambda name, device: name)
    assert load.load("smollm2-135m") == "smollm2-135m-instruct"
