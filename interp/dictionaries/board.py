"""How much of the board a dictionary's features hold (Karvonen et al. 2024, arXiv 2408.00113).

A feature fires where its activation exceeds a share t of its maximum over the first games, t in {0, .1, ..., .9}.
States are "square s is mine" and "square s is theirs" in the frame of the player who just moved; blanks are masked,
as in the paper's headline. *Coverage* is the mean over states of the best F1 of any feature. *Reconstruction* takes a
(feature, t) as a classifier of every state that holds at 95 % of its firings on the first games (10 firings at least);
on other games the states claimed by the features that fire are compared with the board, F1 averaged over positions.
Each is given at its best t, one t for all features. States that never hold in the games are left out of the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt64
from numba import njit, uint64
from torch import Tensor

from interp.othello.bitboard import lowest_bit, popcount
from interp.othello.games import Games, unpack

THRESHOLDS = np.arange(10) / 10
"""Shares of a feature's maximum above which it counts as firing."""
PRECISION = 0.95
FIRINGS = 10


class Boards(NamedTuple):
    """The board at every position of some games, as bitboards."""

    mine: UInt64[np.ndarray, " position"]
    theirs: UInt64[np.ndarray, " position"]

    @classmethod
    def of(cls, games: Games, plies: int = 59) -> Boards:
        """The boards after each of the first `plies` moves of each game."""
        return cls(games.mine[:, :plies].ravel(), games.theirs[:, :plies].ravel())

    def states(self) -> Bool[np.ndarray, "position state"]:
        """Every state at every position: 64 squares mine, then 64 theirs."""
        return np.concatenate([unpack(self.mine), unpack(self.theirs)], axis=-1)


class BoardScore(NamedTuple):
    """Both measures, each at its best threshold."""

    coverage: float
    reconstruction: float


class Firings(NamedTuple):
    """How often features fire, and each state while they do."""

    fires: Float[np.ndarray, "threshold feature"]
    both: Float[np.ndarray, "threshold feature state"]
    holds: Float[np.ndarray, " state"]
    """How often each state holds: 64 squares mine, then 64 theirs."""


def board_score(
    first: Float[Tensor, "position feature"], first_boards: Boards, other: Float[Tensor, "position feature"], boards: Boards
) -> BoardScore:
    """Score activations: features are fitted on the first games and, for reconstruction, judged on the others."""
    maxima = first.amax(0).numpy()
    counts = count_firings(first, first_boards, maxima)
    return BoardScore(coverage(counts), reconstruction(classifiers(counts), other, boards, maxima))


def count_firings(
    activations: Float[Tensor, "position feature"], boards: Boards, maxima: Float[np.ndarray, " feature"]
) -> Firings:
    """Count for every threshold, feature and state."""
    features = activations.shape[1]
    fires, both = np.zeros((len(THRESHOLDS), features)), np.zeros((len(THRESHOLDS), features, 128))
    holds = np.zeros(128)
    _count(activations.numpy(), boards.mine, boards.theirs, _borders(maxima), fires, both, holds)
    # Each firing was counted at the highest threshold that it passes only.
    return Firings(fires[::-1].cumsum(0)[::-1], both[::-1].cumsum(0)[::-1], holds)


def coverage(counts: Firings) -> float:
    """Mean over states of the best F1, at the best threshold."""
    f1 = 2 * counts.both / np.maximum(counts.fires[..., None] + counts.holds, 1)
    return float(f1.max(1)[:, counts.holds > 0].mean(-1).max())


def classifiers(counts: Firings) -> UInt64[np.ndarray, "threshold feature 2"]:
    """The states that each (threshold, feature) claims, as two bitboards: mine, theirs."""
    precise = counts.both >= PRECISION * counts.fires[..., None]
    claimed = precise & (counts.fires[..., None] >= FIRINGS)
    bits = np.packbits(claimed.reshape(*claimed.shape[:2], 2, 64), axis=-1, bitorder="little")
    return bits.view("<u8")[..., 0].astype(np.uint64)


def reconstruction(
    claims: UInt64[np.ndarray, "threshold feature 2"],
    activations: Float[Tensor, "position feature"],
    boards: Boards,
    maxima: Float[np.ndarray, " feature"],
) -> float:
    """Mean F1 of the claimed against the true states, at the best threshold."""
    return float(_f1_by_threshold(activations.numpy(), boards.mine, boards.theirs, _borders(maxima), claims).max())


def claims_score(claimed: Bool[np.ndarray, "position state"], boards: Boards) -> BoardScore:
    """The two measures for something that names the states itself, such as a probe."""
    true = boards.states()
    right, named, holds = claimed & true, claimed.sum(0), true.sum(0)
    by_state = 2 * right.sum(0) / np.maximum(named + holds, 1)
    by_position = 2 * right.sum(1) / (claimed.sum(1) + true.sum(1))
    return BoardScore(float(by_state[holds > 0].mean()), float(by_position.mean()))


def _borders(maxima: Float[np.ndarray, " feature"]) -> Float[np.ndarray, "threshold feature"]:
    """Activations that must be exceeded; a feature that never fired on the first games never does."""
    return np.where(maxima > 0, THRESHOLDS[:, None] * maxima, np.inf).astype(np.float32)


@njit(cache=True)
def _count(activations, mine, theirs, borders, fires, both, holds):  # type: ignore[no-untyped-def]
    for position in range(activations.shape[0]):
        _add_states(mine[position], theirs[position], holds)
        for feature in range(activations.shape[1]):
            value = activations[position, feature]
            if value > borders[0, feature]:
                level = _level(value, borders, feature)
                fires[level, feature] += 1
                _add_states(mine[position], theirs[position], both[level, feature])


@njit(cache=True)
def _level(value, borders, feature):  # type: ignore[no-untyped-def]
    """The highest threshold passed by a value that passes the first."""
    level = 0
    while level + 1 < borders.shape[0] and value > borders[level + 1, feature]:
        level += 1
    return level


@njit(cache=True)
def _add_states(mine, theirs, counts):  # type: ignore[no-untyped-def]
    while mine:
        counts[lowest_bit(mine)] += 1
        mine &= mine - uint64(1)
    while theirs:
        counts[uint64(64) + lowest_bit(theirs)] += 1
        theirs &= theirs - uint64(1)


@njit(cache=True)
def _f1_by_threshold(activations, mine, theirs, borders, claims):  # type: ignore[no-untyped-def]
    thresholds, (positions, features) = borders.shape[0], activations.shape
    total = np.zeros(thresholds)
    claimed = np.zeros((thresholds, 2), np.uint64)
    for position in range(positions):
        claimed[:] = 0
        for feature in range(features):
            value = activations[position, feature]
            if value > borders[0, feature]:
                for threshold in range(_level(value, borders, feature) + 1):
                    claimed[threshold] |= claims[threshold, feature]
        for threshold in range(thresholds):
            own, other = claimed[threshold]
            right = popcount(own & mine[position]) + popcount(other & theirs[position])
            named = popcount(own) + popcount(other) + popcount(mine[position]) + popcount(theirs[position])
            total[threshold] += 2 * right / named
    return total / positions
