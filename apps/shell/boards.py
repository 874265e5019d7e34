"""Static 8 x 8 boards as plain HTML: discs, or a value a square from orange (negative) to blue (positive).

Markup rather than SVG, since `st.html` removes SVG for safety.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from interp.othello.notation import square_name

_UP, _DOWN = "31,120,200", "224,102,47"


def heat_board(values: Sequence[float] | np.ndarray, *, title: str, limit: float | None = None) -> str:
    """HTML of 64 values; the opacity of a square goes with its size as a share of `limit` (by default the largest)."""
    limit = limit or max((abs(value) for value in values if value == value), default=0.0) or 1.0
    cells = []
    for square, value in enumerate(values):
        share = min(abs(value) / limit, 1.0) if value == value else 0.0
        hover = f"{square_name(square)}: {value:.3g}"
        colour = f"rgba({_UP if value >= 0 else _DOWN},{share:.3f})"
        style = f"aspect-ratio:1;background:{colour};box-shadow:inset 0 0 0 .5px rgba(128,128,128,.45)"
        cells.append(f'<div title="{hover}" style="{style}"></div>')
    return _frame(cells, title)


def disc_board(discs: Sequence[int], *, title: str, last: int | None = None) -> str:
    """HTML of a position: 1 for black, -1 for white, 0 for empty; `last` is the square of the last move."""
    cells = []
    for square, disc in enumerate(discs):
        ring = "box-shadow:0 0 0 2px #ffb000;" if square == last else ""
        fill = "#15181c" if disc > 0 else "#f6f6f2"
        stone = f'<div style="width:78%;height:78%;border-radius:50%;background:{fill};{ring}"></div>' if disc else ""
        style = "aspect-ratio:1;background:#2f7d55;box-shadow:inset 0 0 0 .5px #1d5639;display:flex;"
        style += "align-items:center;justify-content:center"
        cells.append(f'<div title="{square_name(square)}" style="{style}">{stone}</div>')
    return _frame(cells, title)


def board_row(boards: Sequence[str], *, width: int = 150) -> str:
    """Boards side by side, wrapping on narrow screens."""
    style = f"display:grid;grid-template-columns:repeat(auto-fill,minmax({width}px,1fr));gap:.7rem"
    return f'<div style="{style}">{"".join(boards)}</div>'


def _frame(cells: Sequence[str], title: str) -> str:
    head = '<div style="text-align:center;opacity:.6">'
    rows = ["<div></div>" + "".join(f"{head}{letter}</div>" for letter in "abcdefgh")]
    for row in range(8):
        number = f'<div style="opacity:.6;align-self:center;text-align:center;line-height:0">{row + 1}</div>'
        rows.append(number + "".join(cells[8 * row : 8 * row + 8]))
    grid = "display:grid;grid-template-columns:.8rem repeat(8,minmax(0,1fr));grid-template-rows:.9rem;"
    grid += "font-size:.62rem"
    caption = "font-size:.82rem;opacity:.8;line-height:1.25;margin-bottom:.15rem"
    return (
        f'<div style="max-width:230px"><div style="{caption}">{escape(title)}</div>'
        f'<div role="img" aria-label="{escape(title)}" style="{grid}">{"".join(rows)}</div></div>'
    )
