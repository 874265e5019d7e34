"""Board edits against the plain engine, and the counting of errors on a transformer that obeys its residual stream."""

from __future__ import annotations

import pytest
import torch

from benchmarks.othello_engine import plain_legal
from interp.othello.games import random_games
from interp.othello.notation import SQUARE_OF_TOKEN, TOKEN_OF_SQUARE
from interp.othello.probes import Probes
from interp.othello.steering import Operation, edit_cases, edit_errors, edited_logits, set_errors
from interp.othello.transformer import OthelloConfig, OthelloTransformer

MODEL = OthelloTransformer(
    OthelloConfig(n_layers=2, d_model=16, n_heads=2, d_mlp=32), generator=torch.Generator().manual_seed(0)
).eval()


def random_probes() -> Probes:
    probes = Probes(3, 16)
    torch.nn.init.normal_(probes.weight, generator=torch.Generator().manual_seed(1))
    return probes.requires_grad_(False)


@pytest.mark.parametrize("operation", ["flip", "erase"])
def test_legal_moves_after_an_edit_are_the_plain_engines(operation: Operation) -> None:
    cases = edit_cases(operation, count=40, seed=2, ply=20)
    games = random_games(40, seed=2, split="test")
    by_moves = {tuple(TOKEN_OF_SQUARE[games.moves[game, :20]].tolist()): game for game in range(40)}
    assert len(cases.square) > 10
    for case in range(len(cases.square)):
        game = by_moves[tuple(cases.tokens[case].tolist())]
        mover = 1 if games.black[game, 19] else -1
        board = [0] * 64
        for square in range(64):
            board[square] = mover * ((int(games.mine[game, 19]) >> square & 1) - (int(games.theirs[game, 19]) >> square & 1))
        square = int(cases.square[case])
        assert int(cases.before[case]) == (0 if board[square] == mover else 1)
        board[square] = 0 if operation == "erase" else -board[square]
        player = 1 if games.black[game, 20] else -1
        expected = sorted(plain_legal(board, player))
        found = sorted(SQUARE_OF_TOKEN[cases.legal[case].nonzero()[:, 0].numpy()].tolist())
        assert found == expected


def test_set_errors_counts_both_kinds() -> None:
    legal = torch.zeros(3, 60, dtype=torch.bool)
    legal[:, :4] = True
    logits = torch.zeros(3, 61)
    logits[0, :4] = 1
    logits[1, 2:6] = 1
    logits[2, 10:14] = 1
    logits[:, 60] = 9
    assert set_errors(logits, legal).tolist() == [0, 4, 8]


def test_an_edit_of_length_zero_is_the_null() -> None:
    cases = edit_cases("flip", count=30, seed=3, ply=12)
    found = edit_errors(MODEL, random_probes(), cases, alpha=0.0)
    assert found.edited == found.null and found.edited_margin == found.null_margin and found.cases == len(cases.square)


def test_the_push_has_the_stated_length_and_direction() -> None:
    cases, probes = edit_cases("erase", count=10, seed=3, ply=12), random_probes()
    with torch.no_grad():
        streams = MODEL.embed(cases.tokens) + MODEL.pos_embed.weight[:12]
        written = MODEL.write_sites(cases.tokens)
        last = (streams + sum(written.values()))[:, -1]
        weight = probes.weight[0, 2]
        for case in range(len(cases.square)):
            square = int(cases.square[case])
            towards = weight[:, square, cases.after[case]] - weight[:, square, cases.before[case]]
            last[case] += 0.7 * last[case].norm() * towards / towards.norm()
        expected = MODEL.unembed(MODEL.norm_final(last))
    torch.testing.assert_close(edited_logits(MODEL, probes, cases, alpha=0.7, layers=[1]), expected, rtol=1e-4, atol=1e-5)
