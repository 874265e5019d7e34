"""`interp longtext ship`: make a scored run the one that comes with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interp.cli.options import AsJson
from interp.cli.output import emit


def ship(
    run: Annotated[Path, typer.Argument(help="Folder that `interp longtext score` made.")],
    licence: Annotated[list[Path], typer.Option(help="Licence of the documents, which goes with them; may be given often.")],
    changes: Annotated[str, typer.Option(help="What was changed in the documents, for the notice beside the licences.")],
    as_json: AsJson = False,
) -> None:
    """Make a scored run the one that comes with the package."""
    from training.longtext.ship import ship as copy

    manifest = copy(run, licence, changes)
    found = manifest["results"]
    emit(manifest, as_json=as_json, text=f"shipped: {found['scored']} documents, {', '.join(found['types'])}")
