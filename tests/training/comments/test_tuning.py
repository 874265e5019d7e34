"""Instruction data from commented code, and a generator tuned on it: pairs that strip, resuming, loss on answers alone."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from interp.models.load import load_causal
from interp.runs.errors import UserError
from tests.interp.cli.calling import call
from tests.training.comments.small_model import saved, tiny_model
from training.comments.finetune import Tuning, answer_loss, finetune, tokenized
from training.comments.instructions import InstructionOptions, build
from training.comments.languages import LANGUAGES
from training.comments.low_value import low_value
from training.comments.prompts import TEMPLATES
from training.comments.source import decode
from training.comments.strip import strip


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    for number in range(8):
        body = "".join(f"    step_{n} = a + {n}  # the step of number {n}\n" for n in range(12))
        (folder / f"a{number}.py").write_text(
            f"import os\n\n\n# Adds.\ndef f{number}(a):\n    '''Add them.'''\n{body}    return a\n"
        )
        (folder / f"t{number}.py").write_text("TABLE = [\n" + "    0x12, 'a',\n" * 9 + "]\n")
    function = "/* Doubles the number. */\nint f(int a)\n{\n" + "  a = a + 1; // one more of them\n" * 18 + "}\n"
    (folder / "c.c").write_text(f"#include <a.h>\n{function}\n{function}")
    return folder


def test_pairs_strip_to_each_other_and_data_is_declined(code: Path, tmp_path: Path) -> None:
    told = build([code], tmp_path / "data.jsonl", InstructionOptions(declined=0.3))
    records = [json.loads(line) for line in (tmp_path / "data.jsonl").read_text().splitlines()]
    assert told["records"] == len(records) and told["kinds"]["commented"] == 10 and told["kinds"]["declined"] == 4
    for one in records:
        language = LANGUAGES[one["language"]]
        assert one["instruction"] in one["text"] and one["input"].rstrip() in one["text"]
        if one["kind"] == "commented":
            assert strip(decode(one["output"].encode(), language)).text == one["input"]
            assert one["answer"] == f"```{language.fence}\n{one['output'].rstrip()}\n```"
        else:
            assert one["answer"] == "" and one["reason"] == "data"
    build([code], tmp_path / "again.jsonl", InstructionOptions(declined=0.3))
    assert (tmp_path / "again.jsonl").read_text() == (tmp_path / "data.jsonl").read_text()
    assert len(set(TEMPLATES)) >= 20 and all("{language}" in one for one in TEMPLATES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "near_empty"),
        ("# Automatically generated, do not edit\n" + "a = f(b)\n" * 9, "generated"),
        ("var a = 1;" * 300 + "\n" + "f();" * 400 + "\n" + "g()\n" * 2, "minified"),
        ("TABLE = {\n" + "    'a': 1,\n    0x41: 2.5e-3,  # b\n" * 9 + "}\n", "data"),
        ("def f(a):\n    b = a + 1\n    print('x')\n    return b\n", None),
    ],
)
def test_low_value_code_is_known(text: str, reason: str | None) -> None:
    assert low_value(text) == reason


def test_long_numbers_are_read_at_once() -> None:
    began = time.perf_counter()
    assert low_value(("1" * 300 + " x\n") * 9) is None and low_value(("0x" + "1e" * 100 + ",\n") * 9) == "data"
    assert time.perf_counter() - began < 1


def test_the_loss_is_that_of_the_answer() -> None:
    model, tokenizer = tiny_model()
    example = tokenized({"text": "Comment x = 1", "answer": "```python\nx = 1\n```"}, tokenizer)
    assert int(example.tokens[-1]) == tokenizer.eos_token_id and 0 < example.prompt < len(example.tokens) - 1
    with torch.no_grad():
        scores = model(example.tokens[None]).logits[0].log_softmax(-1)
        by_hand = -sum(float(scores[at - 1, example.tokens[at]]) for at in range(example.prompt, len(example.tokens)))
        assert float(answer_loss(model, example, torch.device("cpu"))) == pytest.approx(by_hand, rel=1e-4)
    declined = tokenized({"text": "Comment x = 1", "answer": ""}, tokenizer)
    assert len(declined.tokens) == declined.prompt + 1


def test_tuning_learns_resumes_and_ships_an_adapter(code: Path, tmp_path: Path) -> None:
    build([code], tmp_path / "data.jsonl", InstructionOptions())
    settings = Tuning(str(tmp_path / "data.jsonl"), saved(tmp_path / "model"), steps=12, batch=2, rank=2, lr=1e-2)
    whole = finetune(settings, tmp_path / "whole", device="cpu")
    before = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[0])
    assert whole["held_out_loss"] < before["held_out_loss"]
    stopped = tmp_path / "stopped"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interp.runs.loop.CHECKPOINT_SECONDS", 0.0)
        patch.setattr("training.comments.finetune.TuningJob.after_step", _stop_at(5))
        with pytest.raises(KeyboardInterrupt):
            finetune(settings, stopped, device="cpu")
    assert finetune(settings, stopped, device="cpu")["held_out_loss"] == pytest.approx(whole["held_out_loss"], rel=1e-5)
    tuned = load_causal(str(tmp_path / "whole" / "adapter"), device="cpu").model
    plain = load_causal(settings.model, device="cpu").model
    tokens = torch.tensor([[1, 2, 3]])
    assert not torch.allclose(tuned(tokens).logits, plain(tokens).logits)


def _stop_at(last: int):
    def after_step(self: object, step: int) -> None:
        if step == last:
            raise KeyboardInterrupt

    return after_step


def test_bad_data_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.jsonl").write_text('{"text": 1}\n')
    with pytest.raises(UserError, match="holds no instruction data"):
        finetune(Tuning(str(tmp_path / "data.jsonl")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    code, _, err = call(capsys, "comments", "instructions", str(tmp_path / "data.jsonl"))
    assert code == 2 and err.count("\n") == 1
