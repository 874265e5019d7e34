"""Static 8 x 8 boards as plain HTML: discs, or a value a square from orange (negative) to blue (positive).

Markup rather than SVG, since `st.html` removes SVG for safety. What all squares share stands once in `STYLE`, which the
page includes: a screen shows ten boards, and every click sends them anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from apps.shell.bars import DOWN, UP
from interp.othello.notation import square_name

STYLE = """
.lab-board {max-width: 230px}
.lab-board > p {font-size: .82rem; opacity: .8; line-height: 1.25; margin: 0 0 .15rem}
.lab-board > div {display: grid; grid-template-columns: .8rem repeat(8, minmax(0, 1fr)); grid-template-rows: .9rem;
  font-size: .62rem}
.lab-board u {opacity: .6; text-align: center; text-decoration: none; align-self: center; line-height: 0}
.lab-board i {aspect-ratio: 1; box-shadow: inset 0 0 0 .5px rgba(128, 128, 128, .45)}
.lab-discs i {background: #2f7d55; box-shadow: inset 0 0 0 .5px #1d5639; display: flex; align-items: center;
  justify-content: center}
.lab-discs b {width: 78%; height: 78%; border-radius: 50%; background: #15181c}
.lab-discs b.white {background: #f6f6f2}
.lab-discs b.last {box-shadow: 0 0 0 2px #ffb000}
"""
_FAINT = 0.005


def heat_board(values: Sequence[float] | np.ndarray, *, title: str, limit: float | None = None) -> str:
    """HTML of 64 values; the opacity of a square goes with its size as a share of `limit` (by default the largest)."""
    limit = limit or max((abs(value) for value in values if value == value), default=0.0) or 1.0
    return _frame((_heat(square, float(value), limit) for square, value in enumerate(values)), title, "lab-board")


def _heat(square: int, value: float, limit: float) -> str:
    share = min(abs(value) / limit, 1.0) if value == value else 0.0
    colour = f' style="background:{UP if value >= 0 else DOWN}{round(255 * share):02x}"' if share > _FAINT else ""
    return f'<i title="{square_name(square)}: {value:.3g}"{colour}></i>'


def disc_board(discs: Sequence[int], *, title: str, last: int | None = None) -> str:
    """HTML of a position: 1 for black, -1 for white, 0 for empty; `last` is the square of the last move."""
    cells = []
    for square, disc in enumerate(discs):
        kind = f"{'white ' if disc < 0 else ''}{'last' if square == last else ''}"
        cells.append(f"<i>{f'<b class={kind!r}></b>' if disc else ''}</i>")
    return _frame(cells, title, "lab-board lab-discs")


def board_row(boards: Sequence[str], *, width: int = 150) -> str:
    """Boards side by side, wrapping on narrow screens."""
    style = f"display:grid;grid-template-columns:repeat(auto-fill,minmax({width}px,1fr));gap:.7rem"
    return f'<div style="{style}">{"".join(boards)}</div>'


def _frame(cells: Iterable[str], title: str, kind: str) -> str:
    squares = list(cells)
    head = "<u></u>" + "".join(f"<u>{letter}</u>" for letter in "abcdefgh")
    rows = "".join(f"<u>{row + 1}</u>{''.join(squares[8 * row : 8 * row + 8])}" for row in range(8))
    name = escape(title)
    return f'<div class="{kind}"><p>{name}</p><div role="img" aria-label="{name}">{head}{rows}</div></div>'
