"""Options of routing, alike in all verbs of `interp moe`."""

from __future__ import annotations

import typer

from interp.runs.errors import UserError

FILL = typer.Option(help="Fill-in rectification by own or top1 probability, or off.")
RECTIFY = typer.Option(help="Intra-GPU rectification: on or off.")
ORDER = typer.Option(help="First served: confidence, reverse, random or position.")


def is_on(rectify: str) -> bool:
    """Whether it is `on`. Raises UserError for anything but that and `off`."""
    if rectify not in ("on", "off"):
        raise UserError(f"rectify '{rectify}' is unknown; accepted are on, off")
    return rectify == "on"
