"""A game against the transformer: the position, what the transformer thinks of it, and a board in plain text.

The transformer knows legality, not strategy: it answers with its likeliest move, and where that is illegal with its
likeliest legal one. It has seen no game of zero moves, so it says nothing before the first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from interp.othello.bitboard import BLACK_START, WHITE_START, legal_moves
from interp.othello.games import replay, squares_of, tokens
from interp.othello.notation import SQUARE_OF_TOKEN, format_moves, parse_moves, square_name
from interp.othello.transformer import OthelloTransformer
from interp.runs.errors import UserError

BLACK, WHITE, EMPTY = "X", "O", "."


class Position(NamedTuple):
    """A position and the transformer's view of it."""

    moves: str
    """The game so far."""
    ply: int
    to_move: str | None
    """`black` or `white`; None once the game is over."""
    passed: bool
    """Whether the other player had no move, so that the same player moves again."""
    board: list[str]
    """Rows 1 to 8, each of columns a to h: X black, O white, a dot for empty."""
    legal: list[str]
    probabilities: dict[str, float]
    """The transformer's distribution over the 60 squares, likeliest first; empty before the first move."""
    legal_mass: float | None
    """Its probability on legal moves; None before the first move and after the last."""


def position(model: OthelloTransformer, moves: list[int]) -> Position:
    """The position after `moves` (squares 0..63). Raises IllegalMove as `replay` does."""
    if not moves:
        opening = squares_of(legal_moves(BLACK_START, WHITE_START))
        start = _rows(int(BLACK_START), int(WHITE_START))
        return Position("", 0, "black", False, start, [square_name(square) for square in opening], {}, None)
    game = replay(moves)
    black_moved = bool(game.black[0, -1])
    mine, theirs, legal = int(game.mine[0, -1]), int(game.theirs[0, -1]), int(game.legal[0, -1])
    passed = bool(legal) and not int(legal_moves(game.theirs[0, -1], game.mine[0, -1]))
    black_next = black_moved if passed else not black_moved
    rows = _rows(mine, theirs) if black_moved else _rows(theirs, mine)
    names = [square_name(square) for square in squares_of(legal)]
    probabilities = _distribution(model, moves)
    mass = sum(probabilities[name] for name in names) if names else None
    to_move = ("black" if black_next else "white") if legal else None
    return Position(format_moves(moves), len(moves), to_move, passed, rows, names, probabilities, mass)


@torch.no_grad()
def _distribution(model: OthelloTransformer, moves: list[int]) -> dict[str, float]:
    inputs = torch.from_numpy(tokens(replay(moves).moves)).to(model.unembed.weight.device)
    probabilities = model(inputs)[0, -1].softmax(-1)[: len(SQUARE_OF_TOKEN)]
    order = probabilities.argsort(descending=True).tolist()
    return {square_name(int(SQUARE_OF_TOKEN[token])): float(probabilities[token]) for token in order}


def _rows(black: int, white: int) -> list[str]:
    discs = [BLACK if black >> s & 1 else WHITE if white >> s & 1 else EMPTY for s in range(64)]
    return ["".join(discs[start : start + 8]) for start in range(0, 64, 8)]


def as_text(now: Position, *, shown: int = 8) -> str:
    """Board, whose move it is, and the `shown` likeliest moves; a star marks those against the rules."""
    lines = ["  a b c d e f g h"] + [f"{number} {' '.join(row)}" for number, row in enumerate(now.board, start=1)]
    discs = "".join(now.board)
    lines.append(f"after {now.ply} moves: X black {discs.count(BLACK)}, O white {discs.count(WHITE)}")
    if now.to_move is None:
        return "\n".join([*lines, "the game is over"])
    skipped = "the other side has no move; " if now.passed else ""
    lines.append(f"{skipped}{now.to_move} moves; legal: {' '.join(now.legal)}")
    if now.probabilities:
        likeliest = list(now.probabilities.items())[:shown]
        thought = "  ".join(f"{name}{'' if name in now.legal else '*'} {share:.1%}" for name, share in likeliest)
        lines.append(f"the model: {thought}  (legal together {now.legal_mass:.1%})")
    return "\n".join(lines)


def answer(now: Position) -> str:
    """The legal move that the transformer finds likeliest; the first legal one where it says nothing yet."""
    return next((name for name in now.probabilities if name in now.legal), now.legal[0])


class Table:
    """An interactive game: `say` takes a line that was typed and returns what to print."""

    def __init__(self, model: OthelloTransformer, moves: list[int], *, you: str = "black") -> None:
        """`you` is the side of the player: `black`, `white`, or `both` to move for both sides."""
        self.model, self.moves, self.you = model, list(moves), you
        self.now = position(model, self.moves)
        self.over = False
        """Whether the player has left."""

    def greeting(self) -> str:
        """The first screen; the transformer moves at once if it is its turn."""
        return "\n".join([*self._replies(), as_text(self.now), "a move such as f5, or: undo, quit"])

    def say(self, line: str) -> str:
        """Play the moves of `line`, undo, or quit. Raises UserError for a bad move and leaves the game as it was."""
        word = line.strip().lower()
        if word in ("quit", "q", "exit"):
            self.over = True
            return "bye"
        if word in ("undo", "u"):
            return self._undo()
        if not word:
            return as_text(self.now)
        self._set([*self.moves, *parse_moves(word)])
        return "\n".join([*self._replies(), as_text(self.now)])

    def _set(self, moves: list[int]) -> None:
        self.now = position(self.model, moves)
        self.moves = moves

    def _waits(self) -> bool:
        """Whether it is the player's turn, or nobody's."""
        return self.now.to_move is None or self.you in (self.now.to_move, "both")

    def _replies(self) -> list[str]:
        told = []
        while not self._waits():
            reply = answer(self.now)
            first = next(iter(self.now.probabilities), reply)
            aside = "" if first == reply else f" (its first choice was {first}, which is illegal)"
            told.append(f"the model plays {reply}{aside}")
            self._set([*self.moves, *parse_moves(reply)])
        return told

    def _undo(self) -> str:
        """Back to the player's turn before this one."""
        moves = list(self.moves)
        while moves:
            moves.pop()
            self._set(moves)
            if self._waits():
                return as_text(self.now)
        if not self._waits():
            return "\n".join([*self._replies(), as_text(self.now)])
        raise UserError("there is no move to take back")
