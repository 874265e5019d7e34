"""Static 8 x 8 boards as inline SVG: discs, or a value a square from orange (negative) to blue (positive)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from interp.othello.notation import square_name

_CELL = 20
_SIDE = 8 * _CELL


def heat_board(values: Sequence[float], *, title: str, marks: Mapping[int, str] | None = None, unit: str = "") -> str:
    """SVG of 64 values; the opacity of a square goes with its size, `marks` puts a short text on squares."""
    limit = max((abs(value) for value in values), default=0.0) or 1.0
    cells = []
    for square, value in enumerate(values):
        x, y = square % 8 * _CELL, square // 8 * _CELL
        colour = "#1f78c8" if value >= 0 else "#e0662f"
        hover = escape(f"{square_name(square)}: {value:.3g} {unit}".rstrip())
        cells.append(
            f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="{colour}" '
            f'fill-opacity="{abs(value) / limit:.3f}" stroke="currentColor" stroke-opacity=".18"><title>{hover}</title></rect>'
        )
    for square, mark in (marks or {}).items():
        x, y = square % 8 * _CELL + _CELL / 2, square // 8 * _CELL + _CELL / 2 + 4
        cells.append(f'<text x="{x}" y="{y}" text-anchor="middle" font-size="11" fill="currentColor">{escape(mark)}</text>')
    return _frame(cells, title)


def disc_board(discs: Sequence[int], *, title: str, last: int | None = None) -> str:
    """SVG of a position: 1 for black, -1 for white, 0 for empty; `last` is the square of the last move."""
    cells = [f'<rect width="{_SIDE}" height="{_SIDE}" fill="#2f7d55"/>']
    for line in range(9):
        at = line * _CELL
        cells.append(f'<path d="M{at} 0V{_SIDE}M0 {at}H{_SIDE}" stroke="#1d5639" stroke-width="1"/>')
    for square, disc in enumerate(discs):
        if disc:
            x, y = square % 8 * _CELL + _CELL / 2, square // 8 * _CELL + _CELL / 2
            fill = "#15181c" if disc > 0 else "#f6f6f2"
            ring = ' stroke="#ffb000" stroke-width="2.5"' if square == last else ""
            cells.append(f'<circle cx="{x}" cy="{y}" r="8" fill="{fill}"{ring}/>')
    return _frame(cells, title)


def board_row(boards: Sequence[str], *, width: int = 168) -> str:
    """Boards side by side, wrapping on narrow screens."""
    style = f"display:grid;grid-template-columns:repeat(auto-fill,minmax({width}px,1fr));gap:.8rem"
    return f'<div style="{style}">{"".join(boards)}</div>'


def _frame(cells: Sequence[str], title: str) -> str:
    letters = "".join(
        f'<text x="{i * _CELL + _CELL / 2}" y="-4" text-anchor="middle">{letter}</text>'
        f'<text x="-9" y="{i * _CELL + 14}" text-anchor="middle">{i + 1}</text>'
        for i, letter in enumerate("abcdefgh")
    )
    name = escape(title)
    return (
        f'<figure style="margin:0;max-width:230px"><figcaption style="font-size:.82rem;opacity:.8;line-height:1.25;'
        f'min-height:2.1em;display:flex;align-items:end;margin-bottom:.15rem">{name}</figcaption>'
        f'<svg viewBox="-17 -16 {_SIDE + 19} {_SIDE + 18}" role="img" aria-label="{name}" width="100%">'
        f'<g font-size="9" fill="currentColor" opacity=".6">{letters}</g>{"".join(cells)}</svg></figure>'
    )
