"""What verbs print: one JSON object for programs, plain text for people."""

from __future__ import annotations

import json
import math
from typing import Any

import typer

from interp.runs.errors import UserError


def finite(value: Any) -> Any:
    """`value` with NaN and infinities, which JSON has not, as None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def emit(result: dict[str, Any], *, as_json: bool, text: str) -> None:
    """Print `result` as one JSON object, or `text`."""
    typer.echo(json.dumps(finite(result)) if as_json else text)


def numbers(text: str) -> tuple[int, ...]:
    """Numbers with commas between. Raises UserError for anything else."""
    words = text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise UserError(f"'{text}' is no list of numbers; accepted are numbers with commas between, such as 0,1,5,20")
    return tuple(int(word) for word in words)
