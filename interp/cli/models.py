"""`interp models`: what can be loaded by name on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from interp.cli.options import AsJson, Device
from interp.cli.output import emit

app = typer.Typer(help="Models that can be loaded: where they come from, licence, size.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the models that come with the lab; any Hugging Face model loads by its path or id too."""
    if context.invoked_subcommand:
        return
    from interp.models.registry import SHIPPED

    rows = [
        {
            "name": model.name,
            "kind": model.kind,
            "licence": model.licence,
            "bytes": model.size,
            "installed": model.path is not None,
            "source": model.source,
        }
        for model in SHIPPED.values()
    ]
    emit({"models": rows}, as_json=as_json, text="\n".join(_line(row) for row in rows))


def _line(row: Mapping[str, object]) -> str:
    size = f"{row['bytes'] / 1e6:.0f} MB" if isinstance(row["bytes"], int) else "absent"
    return f"{row['name']:22} {row['kind']:19} {size:>7}  {row['licence']:10}  {row['source']}"


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="A shipped name, a path, or a Hugging Face id owner/name.")],
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Load a language model and report how exactly its stream adds up and its attention is recomputed."""
    from interp.models.bridge import LanguageModel
    from interp.models.load import load
    from interp.runs.errors import UserError

    loaded = load(model, device=device)
    if not isinstance(loaded, LanguageModel):
        raise UserError(f"'{model}' is no language model; the check is for language models")
    result = {"model": loaded.name, **loaded.check._asdict()}
    text = f"{loaded.name}: residual stream within {loaded.check.residual:.1e}, patterns within {loaded.check.pattern:.1e}"
    emit(result, as_json=as_json, text=text)


@app.command()
def card(as_json: AsJson = False) -> None:
    """Show the cards of what ships: the transformer with its probes, the dictionary sets; training, measures, limits."""
    from interp.models.card import cards, read_manifest

    emit(read_manifest(), as_json=as_json, text=cards())
