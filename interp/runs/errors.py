"""Mistakes of the user, told in one sentence."""

from __future__ import annotations

from typing import Any, get_args


class UserError(Exception):
    """One sentence naming what was found, what is accepted, and where.

    The command line prints it on one line of standard error and exits with code 2; apps show it in a box.
    """


def check_known(what: str, value: str, kinds: Any) -> None:
    """Raises UserError unless `value` is one of the Literal `kinds`."""
    if value not in get_args(kinds):
        raise UserError(f"unknown {what} '{value}'; accepted are {', '.join(get_args(kinds))}")
