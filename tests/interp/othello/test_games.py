"""The engine against published counts and against a brute-force engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.othello_engine import plain_flips, plain_legal
from interp.othello.games import IllegalMove, perft_counts, random_games, replay, squares_of, unpack
from interp.othello.notation import format_moves, parse_moves


def test_perft() -> None:
    assert perft_counts(8) == [4, 12, 56, 244, 1396, 8200, 55092, 390216]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9))
def test_every_ply_agrees_with_the_plain_engine(game: int) -> None:
    games = random_games(1, seed=3, first=game)
    board = [0] * 64
    board[27] = board[36] = -1
    board[28] = board[35] = 1
    for ply in range(60):
        player = 1 if games.black[0, ply] else -1
        square = int(games.moves[0, ply])
        flips = plain_flips(board, square, player)
        assert flips
        assert sorted(flips) == squares_of(games.flipped[0, ply])
        for turned in [*flips, square]:
            board[turned] = player
        assert [s for s in range(64) if board[s] == player] == squares_of(games.mine[0, ply])
        assert [s for s in range(64) if board[s] == -player] == squares_of(games.theirs[0, ply])
        options = plain_legal(board, -player) or plain_legal(board, player)
        assert options == squares_of(games.legal[0, ply])


def test_a_stream_does_not_depend_on_its_blocks() -> None:
    whole, part = random_games(50, seed=5), random_games(7, seed=5, first=20)
    assert (whole.moves[20:27] == part.moves).all()
    assert (random_games(50, seed=5, split="test").moves != whole.moves).any(1).all()


def test_replay_equals_play_and_passes_occur() -> None:
    games = random_games(300, seed=1)
    for index in range(5):
        again = replay(games.moves[index].tolist())
        assert all((one == many[index : index + 1]).all() for one, many in zip(again, games, strict=True))
    assert (games.black[:, 1:] == games.black[:, :-1]).any()


def test_illegal_move_names_ply_and_legal_moves() -> None:
    with pytest.raises(IllegalMove, match="a1 at ply 4 is illegal: the legal moves there are d3 f3 f4 g5"):
        replay(parse_moves("f5 d6 c3 a1"))


def test_notation_round_trip_and_unpack() -> None:
    moves = parse_moves("f5d6, c3")
    assert moves == [37, 43, 18] and format_moves(moves) == "f5 d6 c3"
    assert np.flatnonzero(unpack(np.array([1 << 63 | 1], np.uint64))[0]).tolist() == [0, 63]
