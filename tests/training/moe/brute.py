"""Rectify-Router token by token, written straight from the definition (A3-A6) in plain Python: slow and obvious."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from training.moe.rules import Rules


class Brute(NamedTuple):
    """Sets of (rank, token, expert), and weights by (rank, token) as a list of (expert, weight)."""

    slots: int
    kept: set[tuple[int, int, int]]
    dropped: set[tuple[int, int, int]]
    filled: set[tuple[int, int, int]]
    rectified: set[tuple[int, int, int]]
    padding: np.ndarray
    weights: dict[tuple[int, int], list[tuple[int, float]]]


def brute(scores: np.ndarray, rules: Rules, capacity: Fraction) -> Brute:
    """The plan of order `confidence`, `reverse` or `position`; `capacity` is that of the rules, as a fraction."""
    ranks, tokens, experts = scores.shape
    slots = math.ceil(tokens * capacity / experts)
    found = Brute(slots, set(), set(), set(), set(), np.full((ranks, experts), slots), defaultdict(list))
    for rank in range(ranks):
        _rank(found, scores[rank], rank, rules, experts // ranks)
    return found


def _rank(found: Brute, p: np.ndarray, rank: int, rules: Rules, local: int) -> None:
    tokens, experts = p.shape
    gate = min(rules.k + (rules.fill != "off"), experts)
    chosen = [sorted(range(experts), key=lambda e: (-p[i, e], e))[:gate] for i in range(tokens)]
    used = [0] * experts
    reached: list[list[int]] = [[] for _ in range(tokens)]
    for j in range(gate):
        for i in sorted(range(tokens), key=lambda i: (_late(p, i, chosen[i][j], j, rules), i)):
            e = chosen[i][j]
            if used[e] < found.slots:
                used[e] += 1
                found.padding[rank, e] -= 1
                reached[i].append(e)
                (found.kept if j < rules.k else found.filled).add((rank, i, e))
            elif j < rules.k:
                found.dropped.add((rank, i, e))
    for i in range(tokens):
        _weigh(found, p[i], rank, i, reached[i], rules, local)


def _late(p: np.ndarray, i: int, e: int, j: int, rules: Rules) -> float:
    """Key of a token in the order of service: lower goes first."""
    if j == rules.k and rules.fill == "own":
        return -p[i, e]
    return {"confidence": -p[i].max(), "reverse": p[i].max(), "position": 0}[rules.order]


def _weigh(found: Brute, p: np.ndarray, rank: int, i: int, reached: list[int], rules: Rules, local: int) -> None:
    n, k_gate = len(reached), rules.k + (rules.fill != "off")
    unrouted = {"unmet": n < rules.k, "all": n == 0, "any": n < k_gate, "ignore_kth": n < k_gate - 1}[rules.unrouted]
    times = k_gate - n if rules.scale == "code" or rules.unrouted == "any" else max(0, rules.k - n)
    shares = [(e, p[e]) for e in reached]
    if rules.rectify and unrouted and times:
        h = max(range(rank * local, (rank + 1) * local), key=lambda e: (p[e], -e))
        found.rectified.add((rank, i, h))
        shares.append((h, times * p[h]))
    total = sum(share for _, share in shares)
    found.weights[rank, i] = [(e, share / total) for e, share in shares]
