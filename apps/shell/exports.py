"""Downloads: CSV that no spreadsheet runs as a formula, JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd


def csv(frame: pd.DataFrame) -> str:
    """CSV text; a text cell that starts like a formula gets an apostrophe in front."""
    return frame.map(_harmless).to_csv(index=False)


def _harmless(cell: Any) -> Any:
    return "'" + cell if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell


def to_json(content: Any) -> str:
    """JSON text. Raises ValueError for NaN and infinities, which JSON has not."""
    return json.dumps(content, indent=1, allow_nan=False)
