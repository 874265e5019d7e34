"""Compiled inner loops of the sampler: which pool is drawn from next, and which of its documents.

A pool is a cluster, or the whole corpus where clusters play no part. Every random number is a function of the seed and
of what it is for (the draw's number; the pool, its pass and the place in it), by the finaliser of splitmix64 (Steele,
Lea and Flood 2014, OOPSLA). So a stream can be taken up anywhere from the draws of each pool alone.
"""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)


@njit(cache=True)
def hashed(key, number):
    """64 random bits of `number` under `key`."""
    x = np.uint64(key) + _GOLDEN * (np.uint64(number) + np.uint64(1))
    x = (x ^ (x >> _S30)) * _FIRST
    x = (x ^ (x >> _S27)) * _SECOND
    return x ^ (x >> _S31)


@njit(cache=True)
def _uniform(key, number):
    """A number in [0, 1), of 53 bits."""
    return np.float64(hashed(key, number) >> _S11) * 2.0**-53


@njit(cache=True)
def _shuffle(queue, members, start, end, key):
    """Put members[start:end] into the queue in the order that `key` says (Fisher and Yates)."""
    queue[start:end] = members[start:end]
    for last in range(end - start - 1, 0, -1):
        other = start + int(_uniform(key, last) * (last + 1))
        queue[start + last], queue[other] = queue[other], queue[start + last]


@njit(cache=True)
def restore(queue, members, starts, counts, seed):
    """Bring the queue to where it stands after counts[pool] draws of every pool."""
    for pool in range(len(counts)):
        size = starts[pool + 1] - starts[pool]
        if size and counts[pool] % size:
            key = hashed(hashed(seed, pool), counts[pool] // size)
            _shuffle(queue, members, starts[pool], starts[pool + 1], key)


@njit(cache=True)
def _next_document(pool, queue, members, starts, counts, seed):
    """The pool's next document; a pass begins with a shuffle."""
    start, end = starts[pool], starts[pool + 1]
    turn, place = divmod(counts[pool], end - start)
    if place == 0:
        _shuffle(queue, members, start, end, hashed(hashed(seed, pool), turn))
    counts[pool] += 1
    return queue[start + place]


@njit(cache=True)
def _cumulated(weights, counts, caps):
    """Running sum of the weights of pools that are still active."""
    total, sums = 0.0, np.empty(len(weights))
    for pool in range(len(weights)):
        if counts[pool] < caps[pool]:
            total += weights[pool]
        sums[pool] = total
    return sums


@njit(cache=True)
def draw_independently(out, room, weights, counts, caps, queue, members, starts, lengths, seed, position):
    """Fill `out` with documents until they cost `room`, each pool being drawn in proportion to its weight.

    Returns how many were drawn and what they cost; fewer only when no pool is active any more. Updates `counts`.
    """
    sums, made, spent = _cumulated(weights, counts, caps), 0, 0
    while made < len(out) and spent < room and sums[-1] > 0:
        pool = np.searchsorted(sums, _uniform(seed, position + made) * sums[-1], side="right")
        document = _next_document(pool, queue, members, starts, counts, seed)
        out[made] = document
        made, spent = made + 1, spent + lengths[document]
        if counts[pool] >= caps[pool]:
            sums = _cumulated(weights, counts, caps)
    return made, spent


@njit(cache=True)
def draw_in_turns(out, room, weights, counts, caps, queue, members, starts, lengths, seed, wait):
    """The same with pools in turns: draws of each stay within one of its share (WF2Q of Bennett and Zhang 1996).

    Time runs such that pool k earns a draw every 1 / weights[k]. Of the pools whose next draw has begun to be earned, the
    one goes first whose draw will be earned first; ties fall at random. `wait` is how many draws each pool has to earn
    before its next one begins to be (at most 0 for those that may go), and is updated.
    """
    waiting = [(0.0, np.uint64(0), 0) for _ in range(0)]
    ready = [(0.0, np.uint64(0), 0) for _ in range(0)]
    total = 0.0
    for pool in range(len(weights)):
        if counts[pool] < caps[pool] and weights[pool] > 0:
            heapq.heappush(waiting, (wait[pool] / weights[pool], hashed(seed ^ np.uint64(counts[pool]), pool), pool))
            total += weights[pool]
    now, made, spent = 0.0, 0, 0
    while made < len(out) and spent < room and len(waiting) + len(ready) > 0:
        if len(ready) == 0:
            now = max(now, waiting[0][0])
        while len(waiting) > 0 and waiting[0][0] <= now:
            begun, tie, pool = heapq.heappop(waiting)
            heapq.heappush(ready, (begun + 1.0 / weights[pool], tie, pool))
        earned, tie, pool = heapq.heappop(ready)
        document = _next_document(pool, queue, members, starts, counts, seed)
        out[made] = document
        made, spent, now = made + 1, spent + lengths[document], now + 1.0 / total
        if counts[pool] < caps[pool]:
            heapq.heappush(waiting, (earned, hashed(seed ^ np.uint64(counts[pool]), pool), pool))
        else:
            total = np.sum(weights[counts < caps])
    for begun, _, pool in waiting:
        wait[pool] = (begun - now) * weights[pool]
    for earned, _, pool in ready:
        wait[pool] = (earned - now) * weights[pool] - 1.0
    return made, spent
