"""Games of Othello, many at once: random legal play, replay of given moves, dense masks and training targets.

Game `i` of a stream depends only on (split, seed, i): a stream can be cut into blocks, resumed anywhere and shared
among processes without changing a game. As in He et al. 2024 (arXiv 2402.12201) each move is uniform over the legal
ones, games that end before the board is full (about 1 %) are drawn anew, and a pass is kept but emits no token, so
the player to move is carried by the engine and never inferred from a position's parity.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8, UInt64
from numba import njit, prange, uint64

from interp.othello.bitboard import (
    BLACK_START,
    WHITE_START,
    flipped_by,
    legal_moves,
    lowest_bit,
    perft,
    popcount,
)
from interp.othello.notation import TOKEN_OF_SQUARE, format_moves, square_name
from interp.runs.errors import UserError

PLIES = 60
POSITIONS = PLIES - 1
"""Positions of a game that have a next move: those after plies 1 .. 59."""
Split = Literal["train", "test"]

_STREAM = {"train": 0x9E3779B97F4A7C15, "test": 0xD1B54A32D192ED03}


class Games(NamedTuple):
    """Games as seen after each move by the player who just made it. Masks are bitboards (bit s = square s)."""

    moves: UInt8[np.ndarray, "games plies"]
    """Square of each move, 0..63."""
    black: Bool[np.ndarray, "games plies"]
    """Whether black made the move."""
    mine: UInt64[np.ndarray, "games plies"]
    """Discs of the player who just moved, after the move."""
    theirs: UInt64[np.ndarray, "games plies"]
    """Discs of the other player, after the move."""
    flipped: UInt64[np.ndarray, "games plies"]
    """Discs that the move turned, without the disc placed."""
    legal: UInt64[np.ndarray, "games plies"]
    """Legal moves of whoever moves next (a pass already skipped); 0 once the game is over."""


class IllegalMove(UserError):
    """A move against the rules, with the ply (from 1) at which it stands and the legal moves there."""

    def __init__(self, square: int, ply: int, legal: list[int]) -> None:
        self.square, self.ply, self.legal = square, ply, legal
        allowed = f"the legal moves there are {format_moves(legal)}" if legal else "the game is over there"
        super().__init__(f"{square_name(square)} at ply {ply} is illegal: {allowed}")


@njit(cache=True)
def _next_random(state: np.uint64) -> np.uint64:
    """splitmix64's output function; the caller advances `state` by an odd constant."""
    mixed = (state ^ (state >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> uint64(27))) * uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> uint64(31))


@njit(cache=True)
def _nth_set_bit(word: np.uint64, n: np.uint64) -> np.uint64:
    for _ in range(n):
        word &= word - uint64(1)
    return lowest_bit(word)  # type: ignore[call-arg]


@njit(cache=True)
def _play_random(state, moves, black, mine, theirs, flipped, legal):  # type: ignore[no-untyped-def]
    """Fill one row of each array with a random game; return the generator's state and the plies played."""
    own, other, own_is_black = BLACK_START, WHITE_START, True
    options = legal_moves(own, other)
    for ply in range(PLIES):
        state += uint64(0x9E3779B97F4A7C15)
        # The high 32 bits scaled to the count: a bias below 1e-8, and no division.
        choice = ((_next_random(state) >> uint64(32)) * popcount(options)) >> uint64(32)  # type: ignore[call-arg]
        square = _nth_set_bit(options, choice)
        move = uint64(1) << square
        flips = flipped_by(own, other, move)
        own |= move | flips
        other ^= flips
        moves[ply], black[ply], mine[ply], theirs[ply], flipped[ply] = square, own_is_black, own, other, flips
        options = legal_moves(other, own)
        if options:
            own, other, own_is_black = other, own, not own_is_black
        else:
            options = legal_moves(own, other)
        legal[ply] = options
        if not options:
            return state, ply + 1
    return state, PLIES


@njit(cache=True, parallel=True)
def _random_games(stream, first, moves, black, mine, theirs, flipped, legal):  # type: ignore[no-untyped-def]
    for game in prange(moves.shape[0]):
        state = _next_random(stream + uint64(first + game) * uint64(0xA24BAED4963EE407))
        plies = 0
        while plies < PLIES:
            state, plies = _play_random(
                state, moves[game], black[game], mine[game], theirs[game], flipped[game], legal[game]
            )


def random_games(count: int, *, seed: int, first: int = 0, split: Split = "train") -> Games:
    """Games `first` .. `first + count - 1` of the stream (split, seed), each of 60 moves."""
    boards = [np.empty((count, PLIES), np.uint64) for _ in range(4)]
    moves, black = np.empty((count, PLIES), np.uint8), np.empty((count, PLIES), np.bool_)
    stream = np.uint64((_STREAM[split] * (2 * seed + 1)) % 2**64)
    _random_games(stream, first, moves, black, *boards)
    return Games(moves, black, *boards)


def replay(moves: list[int]) -> Games:
    """The one game with these squares as moves, from the start. Raises IllegalMove at the first move that is not."""
    own, other, own_is_black = BLACK_START, WHITE_START, True
    options = legal_moves(own, other)
    rows: list[tuple[int, bool, np.uint64, np.uint64, np.uint64, np.uint64]] = []
    for ply, square in enumerate(moves, start=1):
        move = np.uint64(1) << np.uint64(square)
        if not move & np.uint64(options):
            raise IllegalMove(square, ply, squares_of(options))
        flips = np.uint64(flipped_by(own, other, move))
        own, other = own | move | flips, other ^ flips
        options, mover = legal_moves(other, own), own_is_black
        mine, theirs = own, other
        if options:
            own, other, own_is_black = other, own, not own_is_black
        else:
            options = legal_moves(own, other)
        rows.append((square, mover, mine, theirs, flips, np.uint64(options)))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    kinds = (np.uint8, np.bool_, np.uint64, np.uint64, np.uint64, np.uint64)
    return Games(*(np.array([column], dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


def squares_of(bitboard: int | np.uint64) -> list[int]:
    """Squares of the set bits, ascending."""
    return [square for square in range(64) if int(bitboard) >> square & 1]


def unpack(bitboards: UInt64[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape 64"]:
    """Bitboards as one boolean a square."""
    octets = np.ascontiguousarray(bitboards).astype("<u8").view(np.uint8).reshape(*bitboards.shape, 8)
    return np.unpackbits(octets, axis=-1, bitorder="little").astype(bool)


def tokens(moves: UInt8[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
    """Squares as the transformer's tokens 0..59."""
    return TOKEN_OF_SQUARE[moves]


@njit(cache=True, parallel=True)
def _uniform_targets(legal, token_of_square, targets):  # type: ignore[no-untyped-def]
    for row in prange(legal.shape[0]):
        options = legal[row]
        share = np.float32(1.0 / max(popcount(options), uint64(1)))
        while options:
            targets[row, token_of_square[lowest_bit(options)]] = share
            options &= options - uint64(1)


def uniform_targets(legal: UInt64[np.ndarray, "games plies"], vocabulary: int) -> Float32[np.ndarray, "games plies v"]:
    """The exact next-token distribution of random play: uniform over the legal moves, zero once the game is over."""
    targets = np.zeros((*legal.shape, vocabulary), np.float32)
    _uniform_targets(legal.reshape(-1), TOKEN_OF_SQUARE, targets.reshape(-1, vocabulary))
    return targets


def perft_counts(depth: int) -> list[int]:
    """Number of move sequences of length 1 .. `depth` from the start (4, 12, 56, 244, ...)."""
    return [int(perft(BLACK_START, WHITE_START, plies, False)) for plies in range(1, depth + 1)]
