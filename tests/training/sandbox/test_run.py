"""What the sandbox gives to honest code: its output, its errors, its files, its time."""

from __future__ import annotations

from typing import NoReturn

import pytest

from interp.runs.errors import UserError
from training.sandbox.guarantees import guarantees
from training.sandbox.limits import Limits
from training.sandbox.run import available, run
from training.sandbox.verdict import judge


def test_output_input_and_time() -> None:
    outcome = run("import sys\nprint(input().upper(), '☃')\nprint('aside', file=sys.stderr)", stdin="word\n")
    assert (outcome.status, outcome.stdout, outcome.stderr) == ("finished", "WORD ☃\n", "aside\n")
    assert 0 < outcome.seconds < 20 and outcome.cpu_seconds is not None


def test_errors_show_the_source_but_not_the_guard() -> None:
    outcome = run("def f():\n    return 1 / 0\n\nf()")
    assert outcome.status == "error" and outcome.error == "ZeroDivisionError: division by zero"
    assert "return 1 / 0" in outcome.stderr and "guard" not in outcome.stderr
    assert run("x = (").error.startswith("SyntaxError")


def test_output_before_an_error_is_kept() -> None:
    outcome = run("print('before')\nraise ValueError('a\\nb')")
    assert (outcome.stdout, outcome.error) == ("before\n", "b")


def test_sources_share_a_namespace_and_are_compiled_apart() -> None:
    assert run(["x = 1", "print(x)"]).stdout == "1\n"
    assert run(["x: int = 'a'", "print(__annotations__['x'])"]).stdout == "<class 'int'>\n"
    assert run("print(__name__)", name="solution").stdout == "solution\n"


def test_packages_only_when_asked_for() -> None:
    assert run("import safetensors").status == "error"
    assert run("import safetensors; print(safetensors.__name__)", packages=True).stdout == "safetensors\n"


@pytest.mark.parametrize(
    ("solution", "passed"),
    [("def f(x):\n    return x + 1", True), ("def f(x):\n    return x", False), ("def g(x): pass", False), ("", False)],
)
def test_judge(solution: str, passed: bool) -> None:
    assert judge(solution, "assert f(1) == 2\nassert f(2) == 3").passed is passed


def test_what_a_solution_does_as_a_script_stays_undone() -> None:
    assert judge("def f(): return 1\nif __name__ == '__main__':\n    input()", "assert f() == 1").passed


def test_every_promise_has_a_keeper() -> None:
    for isolation in ("namespaces", "limits"):
        promises = guarantees(isolation)
        assert len({promise.what for promise in promises}) == len(promises) >= 9
    weaker = [promise.what for promise in guarantees("namespaces") if promise.keeper not in ("kernel", "lab")]
    assert weaker == ["a program that leaves early, prints or raises is not 'finished'"]
    assert any(promise.keeper == "nobody" for promise in guarantees("limits"))


def test_falling_back_to_limits_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise UserError("this machine gives no namespaces to the sandbox (unshare)")

    monkeypatch.setattr("training.sandbox.run.run", refused)
    assert available.__wrapped__() == "limits" and "(unshare); limits hold" in capsys.readouterr().err


def test_limits_that_bound_nothing_are_refused() -> None:
    with pytest.raises(UserError, match="memory is 0"):
        Limits(memory=0)
