"""Random games a second on one core, against a straightforward engine in pure Python.

Both write moves, boards, flips and legality masks of every ply. The pure-Python engine is what Othello projects
inherit: for each of 64 squares walk eight rays. Two floors of ours: finding flips and legal moves alone, on boards
that do not wait for one another, and filling the same arrays with a constant.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from jaxtyping import UInt64
from numba import njit

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.othello.bitboard import flipped_by, legal_moves
from interp.othello.games import PLIES, Games, random_games

SEED = 1

RAYS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0)]
Board = list[int]


def plain_flips(board: Board, square: int, player: int) -> list[int]:
    """Discs turned when `player` (1 or -1) plays `square`, ray by ray."""
    if board[square]:
        return []
    turned: list[int] = []
    for row_step, column_step in RAYS:
        row, column, run = square // 8 + row_step, square % 8 + column_step, []
        while 0 <= row < 8 and 0 <= column < 8 and board[8 * row + column] == -player:
            run.append(8 * row + column)
            row, column = row + row_step, column + column_step
        if run and 0 <= row < 8 and 0 <= column < 8 and board[8 * row + column] == player:
            turned += run
    return turned


def plain_legal(board: Board, player: int) -> list[int]:
    """Squares where `player` may move."""
    return [square for square in range(64) if plain_flips(board, square, player)]


def plain_game(rng: random.Random) -> list[tuple[int, Board, list[int], list[int]]]:
    """Move, board, flips and legal moves of every ply of one random game."""
    board, player = [0] * 64, 1
    board[27] = board[36] = -1
    board[28] = board[35] = 1
    record: list[tuple[int, Board, list[int], list[int]]] = []
    options = plain_legal(board, player)
    while options:
        square = rng.choice(options)
        flips = plain_flips(board, square, player)
        for turned in [*flips, square]:
            board[turned] = player
        player = -player
        options = plain_legal(board, player)
        if not options:
            player = -player
            options = plain_legal(board, player)
        record.append((square, board.copy(), flips, options))
    return record


@njit(cache=True)
def move_generation(own: np.ndarray, other: np.ndarray, move: np.ndarray) -> np.uint64:
    """Flips of a move and the legal moves after it for each board; all of them together are the result."""
    found = np.uint64(0)
    for board in range(own.shape[0]):
        flips = flipped_by(own[board], other[board], move[board])  # type: ignore[call-arg]
        found ^= flips ^ legal_moves(other[board] ^ flips, own[board] | move[board] | flips)  # type: ignore[call-arg]
    return found


def positions(games: Games) -> tuple[UInt64[np.ndarray, " ply"], UInt64[np.ndarray, " ply"], UInt64[np.ndarray, " ply"]]:
    """Discs of mover and opponent before each move, and the move as a bit."""
    move = np.uint64(1) << games.moves.astype(np.uint64)
    return (games.mine & ~games.flipped & ~move).ravel(), (games.theirs | games.flipped).ravel(), move.ravel()


def on_cores(count: int, work: Callable[[], object]) -> Callable[[], object]:
    """`work` on `count` cores."""

    def run() -> object:
        numba.set_num_threads(count)
        return work()

    return run


def measure(count: int, plain_count: int, repeats: int) -> dict[str, Any]:
    """Play `count` games with ours and `plain_count` with the plain engine, in turn."""
    cores, rng = numba.get_num_threads(), random.Random(SEED)
    games = random_games(count, seed=SEED)
    boards = positions(games)
    one, every, plain, generation, writing = seconds_in_turn(
        on_cores(1, lambda: random_games(count, seed=SEED)),
        on_cores(cores, lambda: random_games(count, seed=SEED)),
        lambda: [plain_game(rng) for _ in range(plain_count)],
        lambda: move_generation(*boards),
        lambda: [np.full_like(array, 1) for array in games],
        repeats=repeats,
    )
    numba.set_num_threads(cores)
    return {
        "games_per_second_one_core": round(count / one),
        "times_plain_python": round(count / one / (plain_count / plain), 1),
        "games_per_second_all_cores": round(count / every),
        "games_per_second_plain_python": round(plain_count / plain, 1),
        "share_of_move_generation_alone": round(generation / one, 3),
        "share_of_write_bandwidth": round(writing / one, 3),
        "target": {"games_per_second_one_core": 100_000, "times_plain_python": 500},
        "note": (
            f"Games of {PLIES} moves with boards, flips and legality masks written, one core against one core. "
            "Shares are the time of the floor over ours: flips and legal moves alone; the same arrays filled."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    quick = arguments(__doc__).parse_args().quick
    result = measure(2_000, 5, 2) if quick else measure(50_000, 150, 9)
    publish("othello_engine", result, quick=quick, seed=SEED)


if __name__ == "__main__":
    main()
