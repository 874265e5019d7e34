"""Standard Othello notation, and how squares become tokens.

Squares are 0..63 = 8 * row + column with a1 = 0: `c4` is column 2, row 3, square 26. The four centre squares are
filled before the first move and are never played, so the other 60 are the tokens 0..59 in row-major order; token 60
is unused padding. (He et al. 2024, arXiv 2402.12201, write rows a-h and columns 0-7: their `e-1` is `b5` here.)
"""

from __future__ import annotations

import numpy as np

from interp.runs.errors import UserError

CENTRE = (27, 28, 35, 36)
SQUARE_OF_TOKEN = np.array([square for square in range(64) if square not in CENTRE])
TOKEN_OF_SQUARE = np.full(64, -1)
TOKEN_OF_SQUARE[SQUARE_OF_TOKEN] = np.arange(60)


def square_name(square: int) -> str:
    """`26` -> `"c4"`."""
    return "abcdefgh"[square % 8] + str(square // 8 + 1)


def parse_square(name: str) -> int:
    """`"c4"` -> `26`. Raises UserError for anything but a letter a-h and a digit 1-8."""
    if len(name) == 2 and name[0].lower() in "abcdefgh" and name[1] in "12345678":
        return "abcdefgh".index(name[0].lower()) + 8 * (int(name[1]) - 1)
    raise UserError(f"'{name}' is no square: a square is a letter a-h and a digit 1-8, such as f5")


def parse_moves(text: str) -> list[int]:
    """Squares of a game such as `"f5 d6 c3"`; spaces, commas or nothing (`"f5d6c3"`) stand between moves.

    Only the spelling is checked here; `interp.othello.games.replay` checks the rules.
    """
    compact = "".join(text.replace(",", " ").split())
    return [parse_square(compact[start : start + 2]) for start in range(0, len(compact), 2)]


def format_moves(squares: list[int]) -> str:
    """`[37, 43]` -> `"f5 d6"`."""
    return " ".join(square_name(square) for square in squares)
