"""Running counts give the F1 that scikit-learn computes, and the label is the best of all."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import f1_score

from interp.dictionaries.firings import Firings
from interp.dictionaries.labels import THRESHOLDS, best_labels, f1_of


def test_labels_are_the_best_f1() -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(400, 3, generator=generator).relu()
    holds = torch.rand(400, 7, generator=generator) > torch.linspace(0.1, 0.9, 7)
    holds[:, 4] = activations[:, 1] > 0.3 * activations[:, 1].amax()
    maxima = activations.amax(0)
    counts = Firings(3, 7, THRESHOLDS)
    for rows in (slice(0, 150), slice(150, 400)):
        counts.add(activations[rows], maxima.numpy(), holds[rows].numpy())
    labels = best_labels(counts)
    assert (labels.predicate[1], THRESHOLDS[labels.threshold[1]], labels.f1[1]) == (4, 0.3, 1.0)
    for feature in range(3):
        scores = {
            (share, predicate): f1_score(holds[:, predicate], activations[:, feature] > share * maxima[feature])
            for share in THRESHOLDS
            for predicate in range(7)
        }
        assert float(labels.f1[feature]) == pytest.approx(max(scores.values()))
        chosen = scores[THRESHOLDS[labels.threshold[feature]], int(labels.predicate[feature])]
        assert float(f1_of(labels, counts)[feature]) == pytest.approx(chosen)
