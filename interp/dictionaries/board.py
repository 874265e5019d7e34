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
from numba import njit
from torch import Tensor

from interp.dictionaries.firings import Firings, borders, level
from interp.othello.bitboard import popcount
from interp.othello.games import POSITIONS, Games, unpack

THRESHOLDS = np.arange(10) / 10
"""Shares of a feature's maximum above which it counts as firing."""
PRECISION = 0.95
FIRINGS = 10


class Boards(NamedTuple):
    """The board at every position of some games, as bitboards."""

    mine: UInt64[np.ndarray, " position"]
    theirs: UInt64[np.ndarray, " position"]

    @classmethod
    def of(cls, games: Games, plies: int = POSITIONS) -> Boards:
        """The boards after each of the first `plies` moves of each game."""
        return cls(games.mine[:, :plies].ravel(), games.theirs[:, :plies].ravel())

    def states(self) -> Bool[np.ndarray, "position state"]:
        """Every state at every position: 64 squares mine, then 64 theirs."""
        return np.concatenate([unpack(self.mine), unpack(self.theirs)], axis=-1)


class BoardScore(NamedTuple):
    """Both measures, each at its best threshold."""

    coverage: float
    reconstruction: float


def board_score(
    first: Float[Tensor, "position feature"], first_boards: Boards, other: Float[Tensor, "position feature"], boards: Boards
) -> BoardScore:
    """Score activations: features are fitted on the first games and, for reconstruction, judged on the others."""
    maxima = first.amax(0).numpy()
    counts = Firings(first.shape[1], 128, THRESHOLDS)
    counts.add(first, maxima, first_boards.states())
    return BoardScore(coverage(counts), reconstruction(classifiers(counts), other, boards, maxima))


def coverage(counts: Firings) -> float:
    """Mean over states of the best F1, at the best threshold."""
    return float(counts.f1().max(1)[:, counts.holds > 0].mean(-1).max())


def classifiers(counts: Firings) -> UInt64[np.ndarray, "threshold feature 2"]:
    """The states that each (threshold, feature) claims, as two bitboards: mine, theirs."""
    fires = counts.fires[..., None]
    claimed = (counts.both >= PRECISION * fires) & (fires >= FIRINGS)
    bits = np.packbits(claimed.reshape(*claimed.shape[:2], 2, 64), axis=-1, bitorder="little")
    return bits.view("<u8")[..., 0].astype(np.uint64)


def reconstruction(
    claims: UInt64[np.ndarray, "threshold feature 2"],
    activations: Float[Tensor, "position feature"],
    boards: Boards,
    maxima: Float[np.ndarray, " feature"],
) -> float:
    """Mean F1 of the claimed against the true states, at the best threshold."""
    above = borders(maxima, THRESHOLDS)
    return float(_f1_by_threshold(activations.numpy(), boards.mine, boards.theirs, above, claims).max())


def claims_score(claimed: Bool[np.ndarray, "position state"], boards: Boards) -> BoardScore:
    """The two measures for something that names the states itself, such as a probe."""
    true = boards.states()
    right, named, holds = claimed & true, claimed.sum(0), true.sum(0)
    by_state = 2 * right.sum(0) / np.maximum(named + holds, 1)
    by_position = 2 * right.sum(1) / (claimed.sum(1) + true.sum(1))
    return BoardScore(float(by_state[holds > 0].mean()), float(by_position.mean()))


@njit(cache=True)
def _f1_by_threshold(activations, mine, theirs, borders, claims):  # type: ignore[no-untyped-def]
    thresholds, (positions, features) = borders.shape[0], activations.shape
    total = np.zeros(thresholds)
    claimed = np.zeros((thresholds, 2), np.uint64)
    for position in range(positions):
        claimed[:] = 0
        for feature in range(features):
            for threshold in range(level(activations[position, feature], borders, feature) + 1):
                claimed[threshold] |= claims[threshold, feature]
        for threshold in range(thresholds):
            own, other = claimed[threshold]
            right = popcount(own & mine[position]) + popcount(other & theirs[position])
            named = popcount(own) + popcount(other) + popcount(mine[position]) + popcount(theirs[position])
            total[threshold] += 2 * right / named
    return total / positions
