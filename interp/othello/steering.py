"""Board editing: push the residual stream along a probe direction and see whether the legal moves follow.

The experiment of Li et al. 2023 (arXiv 2210.13382) in the linear form of Nanda et al. 2023 (arXiv 2309.00941):
after each chosen layer, at the last position, x' = x + alpha |x| d, with d the unit difference between the probe
weights of the wanted and the present state of one square. The prediction is the n most likely moves, n the number of
legal moves on the edited board; errors are its false positives and false negatives. Scaling alpha by |x| and keeping
only edits that change the legal moves are our choices, so our null is not diluted by edits without effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from interp.othello.bitboard import legal_moves
from interp.othello.games import random_games, tokens, unpack
from interp.othello.notation import CENTRE, SQUARE_OF_TOKEN
from interp.othello.probes import FRAMES, Probes
from interp.othello.transformer import Edit, OthelloTransformer

Operation = Literal["flip", "erase"]
_MINE, _THEIRS, _EMPTY = range(3)


class EditCases(NamedTuple):
    """Positions, the square to edit in each, and the legal moves that should follow."""

    tokens: Int[Tensor, "cases pos"]
    square: Int[Tensor, " cases"]
    before: Int[Tensor, " cases"]
    """State of the square as played: 0 mine, 1 theirs, 2 empty."""
    after: Int[Tensor, " cases"]
    """State wanted."""
    legal: Bool[Tensor, "cases 60"]
    """Legal moves (as tokens) on the edited board, same player to move."""


class EditErrors(NamedTuple):
    """Mean number of wrong moves in the predicted legal set, against the edited board's."""

    edited: float
    """With the residual stream edited."""
    null: float
    """Without: the unedited prediction against the edited board."""
    edited_margin: float
    """Half of the 95 % interval of `edited`."""
    null_margin: float
    cases: int


def edit_cases(operation: Operation, *, count: int, seed: int, ply: int) -> EditCases:
    """At most one edit of a random disc in each of `count` held-out games after `ply` moves.

    Edits that leave the legal moves as they were, or leave none, are skipped, as are the centre squares, which no
    token names. `cases` may therefore be fewer than `count`.
    """
    games = random_games(count, seed=seed, split="test")
    chooser = np.random.default_rng(seed)
    rows = []
    for game in range(count):
        mine, theirs = int(games.mine[game, ply - 1]), int(games.theirs[game, ply - 1])
        legal = int(games.legal[game, ply - 1])
        discs = [square for square in range(64) if (mine | theirs) >> square & 1 and square not in CENTRE]
        square = int(chooser.choice(discs))
        edited = _edit(mine, theirs, square, operation)
        theirs_next = legal == _legal(theirs, mine)
        new = _legal(edited[1], edited[0]) if theirs_next else _legal(*edited)
        if new not in (0, legal):
            before = _MINE if mine >> square & 1 else _THEIRS
            after = _EMPTY if operation == "erase" else 1 - before
            rows.append((game, square, before, after, new))
    chosen, squares, states_before, states_after, legal_after = zip(*rows, strict=True)
    inputs = torch.from_numpy(tokens(games.moves[list(chosen), :ply]))
    legal_mask = unpack(np.array(legal_after, dtype=np.uint64))[:, SQUARE_OF_TOKEN]
    return EditCases(
        inputs,
        torch.tensor(squares),
        torch.tensor(states_before),
        torch.tensor(states_after),
        torch.from_numpy(legal_mask),
    )


def _legal(own: int, other: int) -> int:
    return int(legal_moves(np.uint64(own), np.uint64(other)))


def _edit(mine: int, theirs: int, square: int, operation: Operation) -> tuple[int, int]:
    disc = 1 << square
    return (mine & ~disc, theirs & ~disc) if operation == "erase" else (mine ^ disc, theirs ^ disc)


@torch.no_grad()
def edited_logits(
    model: OthelloTransformer, probes: Probes, cases: EditCases, *, alpha: float, layers: Sequence[int]
) -> Float[Tensor, "cases d_vocab"]:
    """Logits at the last position with each case's square edited after each layer of `layers`."""
    weight = probes.weight[list(FRAMES).index("mine")]
    rows = torch.arange(len(cases.square))

    def editor(layer: int) -> Edit:
        of_square = weight[layer + 1][:, cases.square].permute(1, 2, 0)  # [case, state, d_model]
        direction = F.normalize(of_square[rows, cases.after] - of_square[rows, cases.before], dim=-1)

        def edit(stream: Tensor) -> Tensor:
            last = stream[:, -1]
            pushed = last + alpha * last.norm(dim=-1, keepdim=True) * direction
            return torch.cat([stream[:, :-1], pushed[:, None]], dim=1)

        return edit

    return model.forward_edited(cases.tokens, {}, residual={layer: editor(layer) for layer in layers})[:, -1]


def set_errors(logits: Float[Tensor, "cases d_vocab"], legal: Bool[Tensor, "cases 60"]) -> Int[Tensor, " cases"]:
    """False positives plus false negatives of the n likeliest moves, n = number of legal moves."""
    rank = logits[:, :60].argsort(-1, descending=True).argsort(-1)
    predicted = rank < legal.sum(-1, keepdim=True)
    return (predicted != legal).sum(-1)


@torch.no_grad()
def edit_errors(
    model: OthelloTransformer, probes: Probes, cases: EditCases, *, alpha: float, layers: Sequence[int] | None = None
) -> EditErrors:
    """Errors of the edited prediction and of the null; all layers but the last are edited by default."""
    cases = EditCases(*(tensor.to(probes.weight.device) for tensor in cases))
    chosen = range(model.config.n_layers - 1) if layers is None else layers
    edited = set_errors(edited_logits(model, probes, cases, alpha=alpha, layers=chosen), cases.legal).double()
    null = set_errors(model(cases.tokens)[:, -1], cases.legal).double()
    margin = 1.96 / len(edited) ** 0.5
    return EditErrors(
        float(edited.mean()),
        float(null.mean()),
        float(edited.std(correction=0)) * margin,
        float(null.std(correction=0)) * margin,
        len(edited),
    )


def best_alpha(
    model: OthelloTransformer, probes: Probes, operation: Operation, *, alphas: Sequence[float], seed: int, ply: int
) -> float:
    """The alpha with the fewest errors on 200 tuning games, to be judged on games of another seed."""
    cases = edit_cases(operation, count=200, seed=seed, ply=ply)
    return min(alphas, key=lambda alpha: edit_errors(model, probes, cases, alpha=alpha).edited)
