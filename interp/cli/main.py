"""Entry point of `interp`: groups of verbs, and mistakes told on one line of standard error with exit code 2.

A file of this package holds a group. It imports torch and its like only inside the verbs, and is itself imported only
when the group is named or listed, so that `interp --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from interp.runs.errors import UserError

GROUPS = ("models", "othello", "heads", "lm", "dictionaries", "circuits", "sample", "longtext", "comments", "moe")
"""Modules of `interp.cli` that hold a group as `app`."""


class _Groups(TyperGroup):
    """Groups looked up among the modules of this package."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the groups that this installation has."""
        return [name for name in GROUPS if find_spec(f"interp.cli.{name}")]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a group; None if there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        group = get_group(import_module(f"interp.cli.{cmd_name}").app)
        group.name = cmd_name
        return group


app = typer.Typer(cls=_Groups, no_args_is_help=True, add_completion=False)


def _print_versions(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from interp.runs.folder import versions

        numbers = {"interp": version("interp-lab"), **versions()}
        typer.echo("\n".join(f"{name} {number}" for name, number in numbers.items()))
        raise typer.Exit


@app.callback()
def interp(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_versions, is_eager=True, help="Versions that decide a result."),
    ] = False,
) -> None:
    """Look inside language models.

    Every verb takes --json for one JSON object on standard output; progress goes to standard error.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 2 and one sentence on a mistake of the user's."""
    # Without this, libraries draw loading bars between the user and the one line of a mistake.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        code = app(args=arguments, standalone_mode=False)
    except TyperException as error:
        code = _refuse(error.format_message() or "a command is missing; --help lists them")
    except UserError as error:
        code = _refuse(str(error))
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("interp: stopped", err=True)
        code = 130
    except BrokenPipeError:
        # The reader (say, `head`) has gone; Python would complain once more while closing the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    typer.echo(f"interp: {' '.join(message.split())}", err=True)
    return 2


if __name__ == "__main__":
    main()
