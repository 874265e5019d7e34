"""HumanEval and MBPP: solutions that are right pass, completions end where a function ends, other files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interp.runs.errors import UserError
from training.comments.problems import read_problems
from training.sandbox.verdict import judge

HUMAN_EVAL = {
    "task_id": "HumanEval/x",
    "prompt": 'from typing import List\n\n\ndef twice(xs: List[int]) -> List[int]:\n    """Double each.\n    """\n',
    "canonical_solution": "    return [2 * x for x in xs]\n",
    "test": "\n\ndef check(candidate):\n    assert candidate([1, 2]) == [2, 4]\n    assert candidate([]) == []\n",
    "entry_point": "twice",
}
MBPP = {
    "task_id": 7,
    "text": "Write a function to add two numbers.",
    "code": "def add(a, b):\n  return a + b",
    "test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == zero"],
    "test_setup_code": "zero = 0",
}


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_human_eval(tmp_path: Path) -> None:
    (problem,) = read_problems(write(tmp_path / "a.jsonl", HUMAN_EVAL))
    right = problem.solution("\n    return [2 * x for x in xs]\n\n\ndef other():\n    1 / 0\nother()\n")
    assert "return [2 * x for x in xs]" in right and "other" not in right and judge(right, problem.tests).passed
    assert not judge(problem.solution("\n    return xs\n"), problem.tests).passed
    assert not problem.prompt.endswith("\n")


def test_mbpp(tmp_path: Path) -> None:
    (problem,) = read_problems(write(tmp_path / "a.jsonl", MBPP))
    assert "add two numbers" in problem.prompt and "assert add(1, 2) == 3" in problem.prompt
    right = problem.solution(
        "\ndef helper(a): return a\n\ndef add(a, b):\n    return helper(a) + b\n\nprint(add(1, 2))\n1 / 0"
    )
    assert judge(right, problem.tests).passed and "print" not in right
    assert not judge(problem.solution("\ndef add(a, b): return a"), problem.tests).passed


def test_sanitised_mbpp_has_imports_and_another_name_for_the_text(tmp_path: Path) -> None:
    row = {"task_id": 1, "prompt": "Say pi.", "test_imports": ["import math"], "test_list": ["assert pi() == math.pi"]}
    (problem,) = read_problems(write(tmp_path / "a.jsonl", row))
    assert judge("import math\ndef pi(): return math.pi", problem.tests).passed


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"columns text; accepted are HumanEval's"):
        read_problems(write(tmp_path / "a.jsonl", {"text": "prose"}))
    with pytest.raises(UserError, match="holds no problem"):
        read_problems(write(tmp_path / "b.jsonl"))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([HUMAN_EVAL | {"prompt": None}], "prompt is None; accepted is a text"),
        ([MBPP | {"test_list": "assert 1"}], "test_list is 'assert 1'; accepted is a list of texts"),
        ([MBPP | {"test_list": [1]}], r"test_list is \[1\]; accepted is a list of texts"),
        ([MBPP, MBPP], "2 problems with the id 7"),
    ],
)
def test_rows_that_are_no_problem_are_named(rows: list[dict[str, Any]], told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        read_problems(write(tmp_path / "a.jsonl", *rows))


def test_a_row_that_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", MBPP)
    with open(source, "a", encoding="utf-8") as file:
        file.write("{broken\n")
    with pytest.raises(UserError, match=r"a\.jsonl"):
        read_problems(source)
