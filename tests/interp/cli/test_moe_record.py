"""`interp moe record`: a model's folder and a text in, a run folder of routing records out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from interp.models.load import CausalModel
from tests.interp.cli.calling import call
from tests.training.moe.test_recording import causal
from training.moe.record_files import Records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` and `text.txt`."""
    place = tmp_path_factory.mktemp("moe")
    model: CausalModel = causal("qwen3")
    model.model.save_pretrained(place / "model")
    model.tokenizer.save_pretrained(place / "model")
    (place / "text.txt").write_text(" ".join(f"w{number % 47 + 3}" for number in range(100)))
    return place


def test_records_are_written_and_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["moe", "record", str(folder / "model"), "--text", str(folder / "text.txt"), "--out", str(tmp_path / "run")]
    rules = ["--capacity", "3", "--fill", "own", "--rectify", "on", "--ranks", "4"]
    code, out, err = call(capsys, *words, *rules, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["tokens"] == 100 and found["steps"] == 1 and found["dropped"] > 0 and 0 < found["padding_rate"] < 1
    assert found["kept"] + found["dropped"] == 100 * 3 * 2
    records = Records.open(tmp_path / "run")
    assert records.replayable and records.layers == [0, 1] and set(records.passes["ranks"]) == {4}
    code, out, _ = call(capsys, *words, *rules)  # the run is there
    assert code == 0 and "100 tokens of 1 texts in 1 batches, 0 rows set aside" in out


def test_the_help_says_what_cached_generation_does(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "moe", "record", "--help")
    assert code == 0 and "a batch of one never drops a choice" in " ".join(out.split())


@pytest.mark.parametrize(
    "words, told",
    [
        (["--capacity", "0"], "capacity 0.0 is refused"),
        (["--fill", "both"], "fill 'both' is unknown; accepted are off, own, top1"),
        (["--rectify", "yes"], "rectify 'yes' is unknown; accepted are on, off"),
        (["--ranks", "3"], "8 experts cannot be divided among 3 ranks"),
        (["--length", "4096"], "pieces of 4096 tokens in batches of 2048 are refused"),
        (["--length", "100"], "pieces of 100 tokens are longer than the 64 positions of the model"),
        (["--text", "nowhere.txt"], "there is no file or folder nowhere.txt"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    words: list[str], told: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["moe", "record", str(folder / "model"), "--text", str(folder / "text.txt"), "--out", str(tmp_path / "run")]
    code, out, err = call(capsys, *asked, *words)
    assert code == 2 and not out and told in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_dense_model_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.training.moe.dense import dense

    dense(vocab_size=50).save_pretrained(tmp_path / "dense")
    causal("mixtral").tokenizer.save_pretrained(tmp_path / "dense")
    asked = [str(tmp_path / "dense"), "--text", str(folder / "text.txt"), "--out", str(tmp_path / "run")]
    code, _, err = call(capsys, "moe", "record", *asked)
    assert code == 2 and "a model of type 'llama' has no router that is known here; supported are Mixtral" in err
    assert not (tmp_path / "run").exists()
