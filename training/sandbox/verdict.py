"""Does a program pass its tests?"""

from __future__ import annotations

from typing import NamedTuple

from training.sandbox.limits import USUAL, Limits
from training.sandbox.run import Outcome, run


class Verdict(NamedTuple):
    """Whether all tests passed, and how the run went."""

    passed: bool
    outcome: Outcome


def judge(solution: str, tests: str, *, limits: Limits = USUAL, packages: bool = False) -> Verdict:
    """Run a solution, then its tests in the same namespace; passed is what came to its end without an exception.

    Solution and tests are compiled apart, so nothing in the one can comment out the other. The solution's `__name__` is
    not `__main__`: as in HumanEval's own harness, what it would do as a script stays undone.
    """
    outcome = run([solution, tests], limits=limits, name="solution", packages=packages)
    return Verdict(outcome.status == "finished", outcome)
