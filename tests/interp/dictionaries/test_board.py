"""Board measures: an oracle scores one, chance scores low, and the counts are those of a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.dictionaries.board import (
    FIRINGS,
    PRECISION,
    THRESHOLDS,
    Boards,
    board_score,
    claims_score,
    classifiers,
    coverage,
    reconstruction,
)
from interp.dictionaries.firings import Firings
from interp.othello.games import random_games, squares_of

FIRST, OTHER = (Boards.of(random_games(30, seed=seed, split="test")) for seed in (1, 2))


def test_an_oracle_with_a_feature_a_state_scores_one() -> None:
    first, other = (torch.from_numpy(boards.states()).float() * 3 for boards in (FIRST, OTHER))
    assert board_score(first, FIRST, other, OTHER) == (1.0, 1.0)
    assert claims_score(OTHER.states(), OTHER) == (1.0, 1.0)


def test_chance_scores_low() -> None:
    generator = torch.Generator().manual_seed(0)
    first, other = (torch.randn(len(FIRST.mine), 64, generator=generator).relu() for _ in range(2))
    score = board_score(first, FIRST, other, OTHER)
    always = claims_score(np.ones_like(FIRST.states()), FIRST)
    assert score.reconstruction < 0.1 and score.coverage < always.coverage + 0.05


def _noisy(boards: Boards, seed: int) -> torch.Tensor:
    """Features that follow some states, with noise: some precise, some not."""
    generator = torch.Generator().manual_seed(seed)
    states = torch.from_numpy(boards.states()[:, ::9]).float()
    noise = torch.rand(states.shape, generator=generator)
    return (states * (0.5 + noise) + (noise > 0.97).float() * noise * torch.linspace(0, 2, states.shape[1])).float()


def test_counts_and_measures_equal_a_plain_loop() -> None:
    first, other = _noisy(FIRST, 3), _noisy(OTHER, 4)
    maxima = first.amax(0)
    counts = Firings(first.shape[1], 128, THRESHOLDS)
    counts.add(first, maxima.numpy(), FIRST.states())
    claims = classifiers(counts)
    truth = torch.from_numpy(FIRST.states())
    best_f1, by_threshold = [], []
    for level, threshold in enumerate(THRESHOLDS):
        fires = first > torch.from_numpy((threshold * maxima.numpy()).astype(np.float32))
        both = fires.T.double() @ truth.double()
        assert np.array_equal(counts.fires[level], fires.sum(0)) and np.array_equal(counts.both[level], both)
        f1 = 2 * both / (fires.sum(0)[:, None] + truth.sum(0)).clamp(min=1)
        best_f1.append(float(f1.amax(0)[truth.any(0)].mean()))
        named = (both >= PRECISION * fires.sum(0)[:, None]) & (fires.sum(0) >= FIRINGS)[:, None]
        by_threshold.append(
            _plain_reconstruction(named, other > torch.from_numpy((threshold * maxima.numpy()).astype(np.float32)))
        )
        for feature in range(0, first.shape[1], 5):
            assert squares_of(claims[level, feature, 0]) == named[feature, :64].nonzero()[:, 0].tolist()
            assert squares_of(claims[level, feature, 1]) == named[feature, 64:].nonzero()[:, 0].tolist()
    assert 0.1 < max(by_threshold) < 0.9, "the case must tell right from wrong"
    assert coverage(counts) == pytest.approx(max(best_f1))
    assert reconstruction(claims, other, OTHER, maxima.numpy()) == pytest.approx(max(by_threshold))


def _plain_reconstruction(named: torch.Tensor, fires: torch.Tensor) -> float:
    scores = []
    for row, true in zip(fires, torch.from_numpy(OTHER.states()), strict=True):
        claimed = named[row].any(0)
        scores.append(2 * float((claimed & true).sum()) / float(claimed.sum() + true.sum()))
    return float(np.mean(scores))


def test_claims_score_counts_each_state_and_each_position() -> None:
    claimed = OTHER.states().copy()
    claimed[:, 0] = False  # a1 is never named as mine, all else is right
    expected = [2 * both.sum() / (both.sum() + true.sum()) for both, true in zip(claimed, OTHER.states(), strict=True)]
    score = claims_score(claimed, OTHER)
    assert score.coverage == pytest.approx(1 - 1 / OTHER.states().any(0).sum())
    assert score.reconstruction == pytest.approx(np.mean(expected))
