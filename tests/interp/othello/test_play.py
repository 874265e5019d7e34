"""The position that play shows, against the engine, and the conversation: moves, undo, refusals, the end."""

from __future__ import annotations

import pytest
import torch

from interp.othello.games import random_games, replay
from interp.othello.notation import TOKEN_OF_SQUARE, format_moves, parse_moves, parse_square
from interp.othello.play import Table, answer, as_text, position
from interp.othello.transformer import OthelloConfig, OthelloTransformer
from interp.runs.errors import UserError

MODEL = OthelloTransformer(
    OthelloConfig(n_layers=1, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0)
).eval()
GAME = random_games(1, seed=4).moves[0].tolist()


def test_board_after_a_known_opening() -> None:
    now = position(MODEL, parse_moves("f5 d6"))
    assert now.board[3:6] == ["...OX...", "...OXX..", "...O...."]
    assert (now.to_move, now.passed, now.ply, now.moves) == ("black", False, 2, "f5 d6")
    assert now.legal == ["c3", "c4", "c5", "c6", "c7"]
    text = as_text(now)
    assert "4 . . . O X . . ." in text and "X black 3, O white 3" in text and "black moves; legal: c3" in text


def test_probabilities_are_the_models() -> None:
    now = position(MODEL, GAME[:20])
    with torch.no_grad():
        exact = MODEL(torch.tensor([[TOKEN_OF_SQUARE[square] for square in GAME[:20]]]))[0, -1].softmax(-1)
    for name, share in now.probabilities.items():
        assert share == pytest.approx(float(exact[TOKEN_OF_SQUARE[parse_square(name)]]))
    assert len(now.probabilities) == 60 and sum(now.probabilities.values()) == pytest.approx(1, abs=0.05)
    assert list(now.probabilities.values()) == sorted(now.probabilities.values(), reverse=True)
    assert now.legal_mass == pytest.approx(sum(now.probabilities[name] for name in now.legal))


def test_passes_and_the_end_follow_the_engine() -> None:
    games = random_games(300, seed=1)
    index = int((games.black[:, 1:] == games.black[:, :-1]).any(1).argmax())
    ply = int((games.black[index, 1:] == games.black[index, :-1]).argmax()) + 1
    now = position(MODEL, games.moves[index, :ply].tolist())
    mover = "black" if games.black[index, ply] else "white"
    assert now.passed and now.to_move == mover and "the other side has no move" in as_text(now)
    over = position(MODEL, games.moves[index].tolist())
    assert over.to_move is None and over.legal == [] and over.legal_mass is None and "the game is over" in as_text(over)


def test_moves_replies_and_undo() -> None:
    table = Table(MODEL, [])
    assert "black moves" in table.greeting() and table.now.probabilities == {}
    told = table.say("f5")
    assert told.startswith(f"the model plays {format_moves(table.moves[1:])}") and len(table.moves) == 2
    before = list(table.moves)
    with pytest.raises(UserError, match="a1 at ply 3 is illegal: the legal moves there are"):
        table.say("a1")
    assert table.moves == before
    table.say("undo")
    assert table.moves == []
    with pytest.raises(UserError, match="no move to take back"):
        table.say("undo")
    assert table.say("quit") == "bye" and table.over


def test_a_whole_game_against_the_model_is_legal() -> None:
    table = Table(MODEL, [], you="white")
    assert "the model plays" in table.greeting() and len(table.moves) == 1
    while table.now.to_move:
        assert table.now.to_move == "white"
        table.say(answer(table.now))
    assert replay(table.moves).legal[0, -1] == 0


def test_the_answer_is_the_likeliest_legal_move() -> None:
    now = position(MODEL, GAME[:11])
    best = max(now.legal, key=lambda name: now.probabilities[name])
    assert answer(now) == best
