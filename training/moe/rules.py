"""How tokens are routed, apart from their scores, and the capacity that follows (arXiv 2402.12399)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from interp.runs.errors import UserError

Fill = Literal["off", "own", "top1"]
Order = Literal["confidence", "reverse", "random", "position"]
Unrouted = Literal["unmet", "all", "any", "ignore_kth"]
Scale = Literal["paper", "code"]

_FINEST = 1_000_000
"""Largest denominator of c_eff."""


@dataclass(frozen=True)
class Rules:
    """Settings of a router. Raises UserError for what cannot be."""

    k: int = 2
    """Experts a token asks for."""
    capacity: float = math.inf
    """c_eff: slots over tokens; k gives a slot a choice. Infinite drops nothing: C is then the largest demand."""
    fill: Fill = "off"
    """Fill-in rectification (FR), and who goes first: the higher probability of that choice itself, or of the first one."""
    rectify: bool = False
    """Intra-GPU rectification (IR)."""
    order: Order = "confidence"
    """Who goes first among equal choices: high top-1 probability, low one, chance, or the token that comes first."""
    unrouted: Unrouted = "unmet"
    """Which tokens IR serves, n being their routes: n < k; or as the authors' code has it, K being k + 1 with FR and k
    without: `all` n = 0, `any` n < K, `ignore_kth` n < K - 1."""
    scale: Scale = "paper"
    """How often the stand-in counts: k - n, or as in the code K - n. With `any` it is always the latter."""
    detach: bool = True
    """Whether the denominator of the weights is a constant to the gradient (straight-through)."""
    seed: int = 0
    """Of the order `random`. A layer draws one for each pass, which its plan's rules then hold."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"k {self.k} is refused; accepted is a whole number from 1, the experts a token asks for")
        if not self.capacity > 0:
            raise UserError(f"capacity {self.capacity} is refused; accepted is a number above 0, slots over tokens (c_eff)")
        for name, known in {"fill": Fill, "order": Order, "unrouted": Unrouted, "scale": Scale}.items():
            if getattr(self, name) not in get_args(known):
                raise UserError(f"{name} '{getattr(self, name)}' is unknown; accepted are {', '.join(get_args(known))}")

    @property
    def gate(self) -> int:
        """K: choices a token makes, the one for filling included."""
        return self.k + (self.fill != "off")

    def slots(self, tokens: int, experts: int) -> int | None:
        """C = ceil(S c_eff / E) for S tokens of a rank and E experts in all; None where capacity is infinite.

        In rational numbers: 100 tokens, 2 experts and c_eff 1.1 make 55 slots, not 56 as in floating point.
        """
        if math.isinf(self.capacity):
            return None
        return max(1, math.ceil(tokens * Fraction(self.capacity).limit_denominator(_FINEST) / experts))
