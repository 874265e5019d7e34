"""The evaluation of a model from problems to pass@k: with a model that writes nonsense, and one that is told the answers."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from interp.cli.main import main
from interp.runs.errors import UserError
from interp.runs.parts import part_path
from tests.training.comments.small_model import saved, tiny_model
from tests.training.comments.test_problems import HUMAN_EVAL, MBPP, write
from training.comments.code_evaluation import CodeEvaluation, completions, evaluate, rates
from training.comments.problems import read_problems


class Knowing:
    """A model that writes what it is told, a sample after the other."""

    device = torch.device("cpu")

    def __init__(self, tokenizer: object, answers: list[str]) -> None:
        self.tokenizer, self.answers = tokenizer, answers

    def generate(self, input_ids: torch.Tensor, **options: object) -> torch.Tensor:
        """The prompt and the next answers."""
        rows = [self.tokenizer(self.answers.pop(0)).input_ids for _ in range(int(options["num_return_sequences"]))]  # type: ignore
        longest = max(map(len, rows))
        padded = torch.tensor([row + [self.tokenizer.eos_token_id] * (longest - len(row)) for row in rows])  # type: ignore
        return torch.cat([input_ids.expand(len(rows), -1), padded], dim=1)


def test_right_answers_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "problems.jsonl", HUMAN_EVAL, MBPP)
    answers = [
        "\n    return [2 * x for x in xs]\n",
        "\n    return xs\n",
        "\ndef add(a, b):\n    return 0\n",
        "\nwhile True: pass",
    ]
    _, tokenizer = tiny_model()
    model = SimpleNamespace(model=Knowing(tokenizer, answers), tokenizer=tokenizer)
    monkeypatch.setattr("interp.models.load.load_causal", lambda *_, **__: model)
    settings = CodeEvaluation(source, samples=2, temperature=0.8)
    table = evaluate(settings, tmp_path / "run")
    assert table.passed.tolist() == [True, False, False, False] and table.status.iloc[3] == "timeout"
    (one,) = rates(table)
    assert (one.k, one.value) == (1, 0.25)
    part_path(tmp_path / "run" / "results", 1).unlink()
    answers += ["\ndef add(a, b):\n    return a + b\n"] * 2
    assert evaluate(settings, tmp_path / "run").passed.tolist() == [True, False, True, True]


def test_samples_come_from_the_seed(tmp_path: Path) -> None:
    model, tokenizer = tiny_model()
    (problem,) = read_problems(write(tmp_path / "a.jsonl", HUMAN_EVAL))
    settings = CodeEvaluation("", samples=3, temperature=1.0, longest=8)
    drawn = [completions(SimpleNamespace(model=model, tokenizer=tokenizer), problem, settings, n) for n in (0, 0, 1)]  # type: ignore
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 3


def test_many_samples_need_a_temperature() -> None:
    with pytest.raises(UserError, match="are all the same"):
        CodeEvaluation("x", samples=2)


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, model = write(tmp_path / "problems.jsonl", HUMAN_EVAL), saved(tmp_path / "model")
    words = ["comments", "evaluate", source, "--model", model, "--out", str(tmp_path / "run"), "--longest", "6", "--json"]
    with pytest.raises(SystemExit):
        main(words)
    result = json.loads(capsys.readouterr().out)
    assert result["pass_at"] == [{"k": 1, "value": 0.0, "low": 0.0, "high": 0.0}] and result["problems"] == 1
    assert result["isolation"] in (["namespaces"], ["limits"])


def test_a_run_is_of_its_model_and_problems(tmp_path: Path) -> None:
    source, out = write(tmp_path / "problems.jsonl", HUMAN_EVAL), tmp_path / "run"
    with pytest.raises(UserError, match="is no language model"):
        evaluate(CodeEvaluation(source, "smolm2"), out, device="cpu")
    assert not out.exists()
    settings = CodeEvaluation(source, saved(tmp_path / "model"), longest=2)
    evaluate(settings, out, device="cpu")
    write(tmp_path / "problems.jsonl", MBPP)
    with pytest.raises(UserError, match="other settings: problems_sha256"):
        evaluate(settings, out, device="cpu")
