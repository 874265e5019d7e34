"""Programming problems in the formats of HumanEval (arXiv 2107.03374) and MBPP (arXiv 2108.07732), from a file or the Hub.

    HumanEval   task_id, prompt, entry_point, test: a function `check(candidate)`
    MBPP        task_id, text or prompt, test_list; perhaps test_setup_code, test_imports

HumanEval's prompt is the beginning of the program. MBPP's is a sentence; as in its paper it is asked with its tests in a
docstring, and without the examples that the paper puts before (our choice: base models then start from nothing).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from interp.corpora.rows import Row, SetAside, rows
from interp.runs.errors import UserError

_AFTER = ("\nassert ", "\nprint", "\nif ", "\n```", '\n"""', "\n<|")
"""Where any program is over."""
_AFTER_FUNCTION = ("\nclass ", "\ndef ", "\n@", "\n#", "\nimport ", "\nfrom ", *_AFTER)
"""Where the body of a function is over: HumanEval's stop words and ours."""


class Problem(NamedTuple):
    """One problem."""

    id: str
    prompt: str
    """What a model goes on from, without the line end, which tokenizers take together with the indent that follows."""
    head: str
    """What stands before its completion in the program: the prompt, or nothing."""
    stops: tuple[str, ...]
    """A completion is over before the first of these."""
    tests: str

    def solution(self, completion: str) -> str:
        """The program that a completion makes."""
        ends = [place for stop in self.stops if (place := completion.find(stop)) >= 0]
        return self.head + completion[: min(ends, default=len(completion))] + "\n"


def read_problems(source: str) -> list[Problem]:
    """All problems of a file (.jsonl, .jsonl.gz, .parquet), or of `hf:owner/name`.

    Raises UserError if there is none, a row cannot be read or is in neither format, or an id comes twice.
    """
    found = [_problem(row, source) for row in rows(source)]
    if not found:
        raise UserError(f"{source} holds no problem")
    (most, times), *_ = Counter(problem.id for problem in found).most_common(1)
    if times > 1:
        raise UserError(f"{source} has {times} problems with the id {most}; accepted is one problem an id")
    return found


def _problem(row: Row | SetAside, source: str) -> Problem:
    if isinstance(row, SetAside):
        raise UserError(f"{source}, {row.place}: {row.reason}")  # without it pass@k would be of another set of problems
    values = row.values
    if {"prompt", "entry_point", "test"} <= values.keys():
        _check(row, source, ("prompt", "entry_point", "test"))
        return _human_eval(values)
    if {"task_id", "test_list"} <= values.keys() and (asked := {"text", "prompt"} & values.keys()):
        _check(row, source, ("text",) if "text" in asked else ("prompt",), lists=("test_list",))
        return _mbpp(values)
    raise UserError(
        f"{source}, {row.place}: columns {', '.join(sorted(values))}; accepted are HumanEval's prompt, entry_point and "
        "test, or MBPP's task_id, text and test_list"
    )


def _check(row: Row, source: str, texts: tuple[str, ...], lists: tuple[str, ...] = ()) -> None:
    for name in texts:
        if not isinstance(row.values[name], str):
            raise UserError(f"{source}, {row.place}: {name} is {row.values[name]!r:.40}; accepted is a text")
    for name in lists:
        found = row.values[name]
        if isinstance(found, str) or not isinstance(found, Iterable) or not all(isinstance(one, str) for one in found):
            raise UserError(f"{source}, {row.place}: {name} is {found!r:.40}; accepted is a list of texts")


def _human_eval(values: dict[str, Any]) -> Problem:
    tests = f"{values['test']}\ncheck({values['entry_point']})\n"
    prompt = values["prompt"].rstrip()
    return Problem(str(values.get("task_id", values["entry_point"])), prompt, prompt, _AFTER_FUNCTION, tests)


def _mbpp(values: dict[str, Any]) -> Problem:
    listed = "\n".join(values["test_list"])
    prompt = f'"""\n{values.get("text") or values["prompt"]}\n{listed}\n"""'
    before = values.get("test_setup_code") or "\n".join(values.get("test_imports") or ())
    return Problem(str(values["task_id"]), prompt, "", _AFTER, f"{before}\n{listed}\n")
