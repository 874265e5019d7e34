"""pass@k without bias: the chance that one of k samples passes (Chen et al. 2021, arXiv 2107.03374, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class PassRate(NamedTuple):
    """pass@k of a set of problems, with a 95 % bootstrap interval over problems."""

    k: int
    value: float
    low: float
    high: float


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """1 - C(n - c, k) / C(n, k), with n samples of which c are correct. Raises ValueError for other c and k."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {samples} samples, {correct} of them correct")
    # As a product: the binomials themselves overflow.
    return 1.0 - float(np.prod(1.0 - k / np.arange(samples - correct + 1, samples + 1)))


def pass_rates(
    samples: int, correct: Sequence[int], ks: Sequence[int], *, draws: int = 2_000, seed: int = 0
) -> list[PassRate]:
    """pass@k over problems, for every k that `samples` allow."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(correct), size=(draws, len(correct)))
    return [_rate(k, np.array([pass_at_k(samples, one, k) for one in correct]), drawn) for k in ks if k <= samples]


def _rate(k: int, values: Float[np.ndarray, " problem"], drawn: Int[np.ndarray, "draw problem"]) -> PassRate:
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return PassRate(k, float(values.mean()), float(low), float(high))
