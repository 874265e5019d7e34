"""Compiled inner loops of the relation index: from logits of context tokens to shares, and from shares to sums.

With p the softmax over the vocabulary, q_t = max(0, p_t - mean p) over the distinct context tokens t and a = q_o / sum q
(steps 3 to 5 of arXiv 2402.13055). The softmax's denominator is a factor of p, hence of q, and cancels in a. So exp(logit
- max) over the context tokens says all, and the vocabulary is never seen. Computed in float64.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FLAT = 1e-6
"""An event whose context logits differ by less than this is dropped: the head raises nothing."""


@njit(cache=True)
def raised(logits, shares):
    """Fill `shares` with each context token's share a of what an event raises; false where it is flat."""
    low, high = logits[0], logits[0]
    for logit in logits:
        low, high = min(low, logit), max(high, logit)
    if high - low < FLAT:
        return False
    mean = 0.0
    for index, logit in enumerate(logits):
        shares[index] = math.exp(logit - high)
        mean += shares[index]
    mean /= len(logits)
    total = 0.0
    for index in range(len(logits)):
        shares[index] = max(0.0, shares[index] - mean)
        total += shares[index]
    shares /= total
    return True


@njit(cache=True)
def add_events(logits, seen, row, head, query, key, level, start, group, slot, ready, place, sums, counts):
    """Add every event's shares to `sums` and one to `counts`, both [group, head, level, slot].

    Event e of document row[e] has the logits logits[e, : seen[row, query]]; entries are those of `recall.Recall`.
    """
    buffer = np.empty(logits.shape[1])
    for event in range(len(logits)):
        r, j, s = row[event], query[event], key[event]
        width = seen[r, j]
        shares = buffer[:width]
        if not raised(logits[event, :width], shares):
            continue
        for entry in range(start[r, s], start[r, s + 1]):
            if ready[entry] <= j:
                at = group[entry], head[event], level[event], slot[entry]
                sums[at] += shares[place[entry]]
                counts[at] += 1
