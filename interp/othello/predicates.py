"""What can be said about a position, one boolean each: the vocabulary of automatic labels and of board coverage.

The board-state properties of Karvonen et al. 2024 (arXiv 2408.00113) in the frame of the player who just moved, and
beside them what the circuits of He et al. 2024 (arXiv 2402.12201) speak of: the move, the discs it turned, the moves
it allows, the parity of the ply and the mover's colour.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from interp.othello.games import POSITIONS, Games, unpack
from interp.othello.notation import square_name

PHRASES = {
    "mine": "is mine",
    "theirs": "is theirs",
    "empty": "is empty",
    "played": "was just played",
    "flipped": "was just flipped",
    "legal": "is legal next",
}
"""Kinds of predicate about a square, in the order of their columns, and how a label says them."""

NAMES = [f"{square_name(square)} {phrase}" for phrase in PHRASES.values() for square in range(64)] + [
    "ply is odd",
    "ply is even",
    "black moved",
    "white moved",
]
"""Name of each column: 64 for each kind of `PHRASES`, then four about the whole position."""

BOARD_STATES = slice(0, 192)
"""Columns mine, theirs, empty x 64."""


def columns(kind: str) -> slice:
    """Columns of one kind of `PHRASES`, by square."""
    first = 64 * list(PHRASES).index(kind)
    return slice(first, first + 64)


def predicates(games: Games, plies: int = POSITIONS) -> Bool[np.ndarray, "games plies predicate"]:
    """Every predicate after each of the first `plies` moves, columns as in `NAMES`.

    Squares that cannot change (the centre is never empty) give columns that are always false; keep them out of
    averages over predicates.
    """
    cut = Games(*(field[:, :plies] for field in games))
    mine, theirs, flipped, legal = (unpack(field) for field in (cut.mine, cut.theirs, cut.flipped, cut.legal))
    played = cut.moves[..., None] == np.arange(64)
    odd = np.broadcast_to(np.arange(1, cut.moves.shape[1] + 1) % 2 == 1, cut.moves.shape)
    whole = np.stack([odd, ~odd, cut.black, ~cut.black], axis=-1)
    return np.concatenate([mine, theirs, ~(mine | theirs), played, flipped, legal, whole], axis=-1)
