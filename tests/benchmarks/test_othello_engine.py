"""The plain engine plays by the same rules, and what is timed is what is said."""

from __future__ import annotations

import random

import numpy as np

from benchmarks.othello_engine import measure, move_generation, plain_game, positions
from interp.othello.bitboard import flipped_by, legal_moves
from interp.othello.games import random_games, replay, squares_of


def test_the_plain_engine_records_the_games_of_ours() -> None:
    record = plain_game(random.Random(3))
    games = replay([square for square, *_ in record])
    for ply, (_, board, flips, options) in enumerate(record):
        sides = {1: games.mine, -1: games.theirs} if games.black[0, ply] else {-1: games.mine, 1: games.theirs}
        for player, discs in sides.items():
            assert squares_of(discs[0, ply]) == [square for square in range(64) if board[square] == player]
        assert squares_of(games.flipped[0, ply]) == sorted(flips)
        assert squares_of(games.legal[0, ply]) == options


def test_the_floor_generates_the_moves_of_the_games() -> None:
    games = random_games(20, seed=1)
    own, other, move = positions(games)
    flips = np.array([flipped_by(*board) for board in zip(own, other, move, strict=True)], np.uint64)
    assert np.array_equal(flips, games.flipped.ravel())
    after = [legal_moves(o ^ f, w | m | f) for w, o, m, f in zip(own, other, move, flips, strict=True)]
    assert move_generation(own, other, move) == np.bitwise_xor.reduce(flips ^ np.array(after, np.uint64))


def test_measures() -> None:
    result = measure(500, 1, 1)
    assert all(result[name] > 0 for name in result["target"])
    assert result["share_of_write_bandwidth"] > 0 and result["share_of_move_generation_alone"] > 0
