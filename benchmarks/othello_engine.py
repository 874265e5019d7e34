"""Random games a second on one core, against a straightforward engine in pure Python.

Both write moves, boards, flips and legality masks of every ply. The pure-Python engine is what Othello projects
inherit: for each of 64 squares walk eight rays.
"""

from __future__ import annotations

import random
import time

import numba

from benchmarks.harness import seconds, write_result
from interp.othello.games import random_games

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


def main() -> None:
    """Measure and write the result."""
    cores = numba.get_num_threads()
    numba.set_num_threads(1)
    count, seed = 50_000, 1
    ours = count / seconds(lambda: random_games(count, seed=seed))
    rng, plain_count = random.Random(seed), 300
    began = time.perf_counter()
    for _ in range(plain_count):
        plain_game(rng)
    plain = plain_count / (time.perf_counter() - began)
    numba.set_num_threads(cores)
    all_cores = count / seconds(lambda: random_games(count, seed=seed))
    result = {
        "games_per_second_one_core": round(ours),
        "games_per_second_all_cores": round(all_cores),
        "plain_python_games_per_second": round(plain, 1),
        "ratio": round(ours / plain, 1),
        "target": {"games_per_second_one_core": 100_000, "ratio": 500},
    }
    write_result("othello_engine", result, seed=seed)


if __name__ == "__main__":
    main()
