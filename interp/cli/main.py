"""Entry point of `interp`: groups of verbs, and mistakes told on one line of standard error with exit code 2."""

from __future__ import annotations

import sys

import click
import typer

from interp.cli import othello
from interp.runs.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look inside language models.")
app.add_typer(othello.app, name="othello")


@app.callback()
def interp() -> None:
    """Look inside language models."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 2 and one sentence on a mistake of the user's."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError:
        code = 2
    except click.ClickException as error:
        code = _refuse(error.format_message())
    except UserError as error:
        code = _refuse(str(error))
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    typer.echo(f"interp: {' '.join(message.split())}", err=True)
    return 2


if __name__ == "__main__":
    main()
