"""Shares of context tokens against the definition on a whole vocabulary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from interp.heads.index.kernels import raised

LOGITS = st.lists(st.floats(-30, 30), min_size=2, max_size=20).map(np.array)


@settings(deadline=None)  # the first call compiles
@given(LOGITS, st.lists(st.floats(-30, 30), max_size=10), st.floats(-100, 100))
def test_the_rest_of_the_vocabulary_and_a_constant_cancel(logits: np.ndarray, rest: list[float], constant: float) -> None:
    shares = np.empty(len(logits))
    if not raised(logits + constant, shares):
        assert np.ptp(logits + constant) < 1e-6
        return
    p = softmax(np.concatenate([logits, rest]))[: len(logits)]
    q = np.maximum(p - p.mean(), 0)
    if q.sum() > 1e-200:  # else the rest of the vocabulary has left nothing to compare with
        np.testing.assert_allclose(shares, q / q.sum(), atol=1e-6)
    assert np.isclose(shares.sum(), 1) and (shares >= 0).all() and (shares[logits == logits.min()] == 0).all()
