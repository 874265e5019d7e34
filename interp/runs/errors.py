"""Mistakes of the user, told in one sentence."""

from __future__ import annotations


class UserError(Exception):
    """One sentence naming what was found, what is accepted, and where.

    The command line prints it on one line of standard error and exits with code 2; apps show it in a box.
    """
