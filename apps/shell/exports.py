"""Downloads: CSV that no spreadsheet runs as a formula, JSON without NaN."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd


def csv(frame: pd.DataFrame) -> str:
    """CSV text; a text cell that starts like a formula gets an apostrophe in front."""
    return frame.map(_harmless).to_csv(index=False)


def _harmless(cell: Any) -> Any:
    return "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell


def to_json(content: Any) -> str:
    """JSON text with null for what is not a finite number."""
    return json.dumps(_finite(content), indent=1, allow_nan=False)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
