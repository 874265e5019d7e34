"""Runs of counting, tuning and commenting: what they are known by, and what leaves their folder as it was."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from interp.corpora.document import split_of
from interp.runs.errors import UserError
from tests.interp.cli.calling import call
from tests.training.comments.small_model import saved, tiny_model
from training.comments.annotate import AnnotationRules, Place, Proposal, annotate
from training.comments.density import count
from training.comments.filters import FileRules
from training.comments.finetune import Tuning, finetune, tokenized
from training.comments.job import Annotation, annotate_folder
from training.comments.languages import LANGUAGES, Language
from training.comments.prompts import fence
from training.comments.source import Unreadable, decode
from training.comments.writer import CausalWriter

TRAIN = [name for number in range(400) if split_of(name := f"a{number}.py") == "train"]
HELD_OUT = [name for number in range(400) if split_of(name := f"a{number}.py") == "held-out"]
ANSWER = "```python\ndef f(a):\n\n    # Says.\n    return a\n```"


def _data(path: Path, *records: tuple[str, str]) -> Path:
    rows = [{"text": "Comment x = 1", "answer": answer, "source": source} for answer, source in records]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_run_of_counting_is_of_its_folders_and_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text("x = 1  # one\n")
    words = ["comments", "density", "--out", str(tmp_path / "run"), "--engine", "inline", "--json"]
    assert call(capsys, *words, str(tmp_path / "a"))[0] == 0
    for other in ([str(tmp_path / "b")], [str(tmp_path / "a"), "--markers"]):
        code, _, err = call(capsys, *words, *other)
        assert code == 2 and "holds a run with other settings" in err and err.count("\n") == 1
    assert json.loads(call(capsys, *words, str(tmp_path / "a"))[1])["files"] == 1
    code, _, err = call(capsys, "comments", "density", str(tmp_path / "absent"), "--out", str(tmp_path / "second"))
    assert code == 2 and not (tmp_path / "second").exists()


def test_without_held_out_sources_there_is_no_loss_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = _data(tmp_path / "a.jsonl", (ANSWER, TRAIN[0]), ("", TRAIN[1])), tmp_path / "run"
    words = ["--out", str(out), "--model", saved(tmp_path / "m"), "--steps", "2", "--batch", "1", "--device", "cpu"]
    code, text, _ = call(capsys, "comments", "finetune", str(data), *words)
    assert code == 0 and "no record of a held-out source" in text
    results = json.loads((out / "manifest.json").read_text())["results"]
    assert results["held_out_loss"] is None and results["held_out"] == 0 and results["records"] == 2


def test_the_end_token_is_told_for_both_kinds_of_files(tmp_path: Path) -> None:
    data = _data(tmp_path / "a.jsonl", (ANSWER, TRAIN[0]), (ANSWER, HELD_OUT[0]), ("", HELD_OUT[1]))
    found = finetune(Tuning(str(data), saved(tmp_path / "m"), steps=1, batch=1, lr=0.0), tmp_path / "run", device="cpu")
    model, tokenizer = tiny_model()
    example = tokenized({"text": "Comment x = 1", "answer": ""}, tokenizer)
    with torch.no_grad():
        p_end = float(model(example.tokens[None, :-1]).logits[0, -1].softmax(-1)[example.tokens[-1]])
    assert found["held_out"] == 2
    assert found["p_end_declined"] == pytest.approx(p_end, rel=1e-4) == found["p_end_commented"]


def test_what_is_wrong_with_a_tuning_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data(tmp_path / "a.jsonl", (ANSWER, TRAIN[0]))
    with pytest.raises(UserError, match="is no language model"):
        finetune(Tuning(str(data), "smolm2"), tmp_path / "run", device="cpu")
    monkeypatch.setattr("training.comments.finetune.PartialState", lambda: SimpleNamespace(num_processes=3))
    with pytest.raises(UserError, match="batch 8 is no multiple of the 3 processes"):
        finetune(Tuning(str(data), saved(tmp_path / "m")), tmp_path / "run", device="cpu")
    data.write_text('{"text": "a", "answer": "b", "source": null}\n')
    with pytest.raises(UserError, match="holds no instruction data"):
        finetune(Tuning(str(data)), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_tuning_is_of_its_data(tmp_path: Path) -> None:
    data = _data(tmp_path / "a.jsonl", (ANSWER, TRAIN[0]))
    settings = Tuning(str(data), saved(tmp_path / "m"), steps=1, batch=1)
    finetune(settings, tmp_path / "run", device="cpu")
    _data(data, ("", TRAIN[0]))
    with pytest.raises(UserError, match="other settings: data_sha256"):
        finetune(settings, tmp_path / "run", device="cpu")


def test_an_answer_is_learnt_in_the_tokens_that_the_writer_reads() -> None:
    model, tokenizer = tiny_model()
    writer = CausalWriter(model, tokenizer)
    writer.begin("x = 1\n", LANGUAGES["Python"])
    before = len(writer._context) - len(tokenizer(fence(LANGUAGES["Python"])).input_ids)
    for line, blank in (("def f(a):", 0), ("    # Says.", 1), ("    return a", 0), ("```", 0)):
        writer.write(line, blank)
    example = tokenized({"text": "x", "answer": ANSWER}, tokenizer)
    assert example.tokens[example.prompt : -1].tolist() == writer._context[before:]


def test_a_mistyped_model_leaves_no_run_of_commenting(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(UserError, match="is no language model"):
        annotate_folder(tmp_path / "a.py", tmp_path / "run", Annotation("smolm2"), engine="inline", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_file_that_changed_after_it_was_commented_is_told(tmp_path: Path) -> None:
    from training.comments import job

    file = tmp_path / "a.py"
    file.write_text("x = 1\n")
    assert job._unchanged_source(file, "x = 1\n", tmp_path).text == "x = 1\n"
    with pytest.raises(UserError, match=r"a\.py was changed after it was commented"):
        job._unchanged_source(file, "x = 2\n", tmp_path)
    file.unlink()
    with pytest.raises(UserError, match=r"a\.py: it cannot be read"):
        job._unchanged_source(file, "x = 1\n", tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [
        ("C", "int f(int *p)\n{\n// one\nint a;\n*p = 1;\n/* two\n * three */\na = 2;\n}\n", [0, 1, 4, 8]),
        ("Python", 'x = """a""" + y\nz = 1\n"""b""" + x\n# one\ny = 2\nx = 1  # two\nx = 2\n', [0, 1, 2, 5, 6]),
    ],
)
def test_lines_with_a_comment_are_known_by_reading(name: str, text: str, asked: list[int]) -> None:
    places = []

    class Silent:
        def begin(self, code: str, language: Language) -> float:
            return 0.0

        def propose(self, place: Place) -> None:
            places.append(place.line)

        def write(self, line: str, blank: int) -> None:
            pass

    annotate(decode(text.encode(), LANGUAGES[name]), Silent())
    assert places == asked


def test_a_context_that_is_too_short_is_a_reason(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    model.config.max_position_embeddings = 40
    found = annotate(decode(b"x = 1\n" * 40, LANGUAGES["Python"]), CausalWriter(model, tokenizer))
    assert found.reason == "unreadable" and "over the 40 tokens of the model's context" in str(found.detail)


@pytest.mark.parametrize("encoding", ["undefined", "idna"])
def test_encodings_that_are_none_of_files_are_a_reason(encoding: str) -> None:
    with pytest.raises(Unreadable, match="encod"):
        decode(f"# coding: {encoding}\nx = '{'a' * 80}..'\n".encode(), LANGUAGES["Python"])


def test_what_the_scanner_refuses_is_not_counted_but_for_jsx() -> None:
    with pytest.raises(Unreadable):
        count('char *a = "x;\n/* one */\n', LANGUAGES["C"])
    with pytest.raises(Unreadable):
        count("a = 'x;\n/* one */\n", LANGUAGES["JavaScript"])
    assert count("a = <b>don't</b>\n/* one */\n", LANGUAGES["JavaScript"]).comment == 3


def test_comments_are_filtered_without_their_markers() -> None:
    class Says:
        def begin(self, code: str, language: Language) -> float:
            return 0.0

        def propose(self, place: Place) -> Proposal:
            return Proposal(f"# {'abcdefgh'[place.line] * 3} one two three")

        def write(self, line: str, blank: int) -> None:
            pass

    rules = AnnotationRules(file=FileRules(least_gain=-1, most_growth=99, most_dense=2, most_repeated_grams=0.01))
    found = annotate(decode(b"x = 1\ny = 2\nz = 3\n", LANGUAGES["Python"]), Says(), rules)
    assert len(found.inserted) == 3 and found.reason is None


def test_add_writes_a_file_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.py"
    file.write_text("def add(a, b):\n    c = a + b\n    return c\n")
    words = ["comments", "add", str(file), "--model", saved(tmp_path / "m"), "--device", "cpu"]
    loose = ["--margin=-100", "--least-gain=-1", "--diff"]
    code, out, err = call(capsys, *words, *loose, "--out", str(tmp_path / "b.py"))
    accepted = "not accepted" not in err
    assert code == 0 and (tmp_path / "b.py").exists() == accepted
    assert all(line.startswith(("+", "-", "@", " ")) for line in out.splitlines() if line)
    code, _, err = call(capsys, "comments", "strip", str(file), "--out", str(tmp_path))
    assert code == 2 and f"{tmp_path} is a folder" in err and err.count("\n") == 1
