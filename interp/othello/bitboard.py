"""Othello's rules on bitboards, compiled: square s is bit s of a 64-bit word.

Runs of opposing discs are found for all squares at once by shifting the word along each of the four lines, six steps
at most. Opposing discs on the a and h files cannot be outflanked along a row or a diagonal, so masking them out also
stops discs from wrapping round the edge. Everything here works on scalars inside compiled loops;
`interp.othello.games` is the interface.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint64
from numba.core import types
from numba.extending import intrinsic

WHITE_START = np.uint64(1 << 27 | 1 << 36)
BLACK_START = np.uint64(1 << 28 | 1 << 35)

_INNER_FILES = np.uint64(0x7E7E7E7E7E7E7E7E)
_ROW, _COLUMN, _DIAGONAL, _ANTIDIAGONAL = (np.uint64(shift) for shift in (1, 8, 9, 7))


@intrinsic
def popcount(typingctx, word):  # type: ignore[no-untyped-def]
    """Number of set bits of a uint64, as one machine instruction."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@intrinsic
def lowest_bit(typingctx, word):  # type: ignore[no-untyped-def]
    """Index of the lowest set bit of a non-zero uint64, as one machine instruction."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), generate


@njit(cache=True)
def _run_up(start: np.uint64, through: np.uint64, shift: np.uint64) -> np.uint64:
    run = (start << shift) & through
    for _ in range(5):
        run |= (run << shift) & through
    return run


@njit(cache=True)
def _run_down(start: np.uint64, through: np.uint64, shift: np.uint64) -> np.uint64:
    run = (start >> shift) & through
    for _ in range(5):
        run |= (run >> shift) & through
    return run


@njit(cache=True)
def _ends(own: np.uint64, other: np.uint64, shift: np.uint64) -> np.uint64:
    return (_run_up(own, other, shift) << shift) | (_run_down(own, other, shift) >> shift)


@njit(cache=True)
def legal_moves(own: np.uint64, other: np.uint64) -> np.uint64:
    """Squares where the player with discs `own` may move against `other`."""
    inner = other & _INNER_FILES
    ends = _ends(own, inner, _ROW) | _ends(own, inner, _DIAGONAL) | _ends(own, inner, _ANTIDIAGONAL)
    return (ends | _ends(own, other, _COLUMN)) & ~(own | other)


@njit(cache=True)
def _outflanked(own: np.uint64, through: np.uint64, move: np.uint64, shift: np.uint64) -> np.uint64:
    flips = uint64(0)
    up = _run_up(move, through, shift)
    if (up << shift) & own:
        flips |= up
    down = _run_down(move, through, shift)
    if (down >> shift) & own:
        flips |= down
    return flips


@njit(cache=True)
def flipped_by(own: np.uint64, other: np.uint64, move: np.uint64) -> np.uint64:
    """Discs of `other` that turn when `own` plays the single bit `move` (0 for an illegal move)."""
    inner = other & _INNER_FILES
    flips = _outflanked(own, inner, move, _ROW) | _outflanked(own, other, move, _COLUMN)
    return flips | _outflanked(own, inner, move, _DIAGONAL) | _outflanked(own, inner, move, _ANTIDIAGONAL)


# Not cached on disk: numba crashes when it loads a function that calls itself.
@njit
def perft(own: np.uint64, other: np.uint64, depth: int, passed: bool) -> int:
    """Number of move sequences of length `depth`; a pass counts as a move, as in the published counts."""
    if depth == 0:
        return 1
    moves = legal_moves(own, other)
    if moves == 0:
        return 1 if passed else perft(other, own, depth - 1, True)
    total = 0
    while moves:
        move = moves & (~moves + uint64(1))
        moves ^= move
        flips = flipped_by(own, other, move)
        total += perft(other ^ flips, own | move | flips, depth - 1, False)
    return total
