"""Entry point of `interp`: groups of verbs, and mistakes told on one line of standard error with exit code 2.

A group's module is imported only when one of its verbs is named, and it imports torch only inside the verbs, so that
`interp --help` answers at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

GROUPS = {
    "othello": "Rules of Othello, and the transformer that learns them.",
    "models": "Models that can be loaded: where they come from, licence, size.",
    "dictionaries": "Sparse dictionaries: train, evaluate, look at features.",
    "circuits": "Trace a logit, a feature or an attention score back to features.",
}
"""Name of each module of `interp.cli` that holds a group, and its line of help."""

# Typer carries its own copy of click and names only the leaf of its errors; the root is that leaf's parent.
_CommandError: Any = typer.BadParameter.__bases__[0]


class _Groups(TyperGroup):
    """Groups that are imported when they are named."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All groups, in the order of a first day with the lab."""
        return list(GROUPS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The group itself if it is asked for, else a stand-in that carries its help."""
        if cmd_name not in GROUPS:
            return None
        if ctx.params or ctx.args or cmd_name in sys.argv or _is_running(ctx):
            return get_command(import_module(f"interp.cli.{cmd_name}").app)
        return get_command(typer.Typer(help=GROUPS[cmd_name]))


app = typer.Typer(cls=_Groups, no_args_is_help=True, add_completion=False)
