"""Which cluster the next document comes from (arXiv 2402.14526): six rules that differ in two things.

A rule draws cluster k with probability proportional to n_k^alpha among the clusters that are still active, n_k being its
size; a cluster is knocked out once it has been passed over tau times (the clip), tau n_k rounded down to whole draws.

| strategy | alpha | clip |
|---|---|---|
| random | 1 | none: passes over all documents, each shuffled |
| uniform | 0 | none |
| clusterclip | 0 | tau |
| general_to_specific | from 1 down to 0 over the budget | tau, if asked for |
| specific_to_general | from 0 up to 1 | tau, if asked for |
| temperature | any | tau, if asked for |

The paper's abstract and its first figure show random, uniform and ClusterClip. That the two curricula exist is known from
a digest of the paper only; their rule, the default tau of 5 and the temperature are our choices. alpha moves in `STAIRS`
equal stairs, so that a cluster's expected draws are a sum of closed forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from interp.runs.errors import UserError

Kind = Literal["random", "uniform", "clusterclip", "general_to_specific", "specific_to_general", "temperature"]
Order = Literal["iid", "round_robin"]
Unit = Literal["draws", "tokens"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CLIP = 5.0
"""Default clip of ClusterClip."""
ALPHA = 0.5
"""Default temperature exponent."""
STAIRS = 256
"""Steps in which the curricula move alpha."""
_FIXED = {"random": 1.0, "uniform": 0.0, "clusterclip": 0.0}


@dataclass(frozen=True)
class Strategy:
    """A rule of sampling. `Strategy.named` fills defaults and checks what a user gave."""

    kind: Kind
    clip: float = math.inf
    """tau: passes over a cluster after which it is knocked out; infinite for no clip."""
    alpha: float = ALPHA
    """Exponent of the sizes, of `temperature` alone: 1 samples as documents lie, 0 all clusters alike."""
    order: Order = "iid"
    """Clusters drawn independently, or in turns such that draws stay within one of what is expected."""

    @classmethod
    def named(cls, kind: str, *, clip: float | None = None, alpha: float | None = None, order: str = "iid") -> Strategy:
        """The strategy of that name (hyphens allowed). Raises UserError for an unknown name or an impossible number.

        random and uniform have no clip: one given is left out.
        """
        name = kind.replace("-", "_")
        if name not in KINDS:
            raise UserError(f"unknown strategy '{kind}'; accepted are {', '.join(KINDS)}")
        if order not in get_args(Order):
            raise UserError(f"unknown order '{order}'; accepted are {', '.join(get_args(Order))}")
        if clip is not None and not clip > 0:
            raise UserError(f"clip {clip} is refused; accepted is a number above 0 (passes over a cluster), or none")
        if alpha is not None and not math.isfinite(alpha):
            raise UserError(
                f"alpha {alpha} is refused; accepted is a finite number, 1 as documents lie, 0 all clusters alike"
            )
        default = CLIP if name == "clusterclip" else math.inf
        allowed = name not in ("random", "uniform")
        return cls(name, (clip or default) if allowed else math.inf, ALPHA if alpha is None else alpha, order)  # type: ignore[arg-type]

    @property
    def stairs(self) -> int:
        """Equal parts of the budget within each of which alpha is constant."""
        return STAIRS if self.kind in ("general_to_specific", "specific_to_general") else 1

    @property
    def pooled(self) -> bool:
        """Whether clusters play no part: all documents are shuffled together, pass after pass."""
        return self.kind == "random" and self.order == "iid"

    def exponent(self, stair: int) -> float:
        """alpha in a stair, that of its middle."""
        done = (stair + 0.5) / self.stairs
        curricula = {"general_to_specific": 1 - done, "specific_to_general": done, "temperature": self.alpha}
        return {**_FIXED, **curricula}[self.kind]

    def weights(self, sizes: Int[np.ndarray, " cluster"], stair: int = 0) -> Float[np.ndarray, " cluster"]:
        """n_k^alpha over its largest value, 0 for empty clusters; at least one is not."""
        logs = self.exponent(stair) * np.log(np.maximum(sizes, 1))
        logs[sizes <= 0] = -np.inf
        return np.exp(logs - logs.max())

    def limits(self, sizes: Int[np.ndarray, " cluster"]) -> Float[np.ndarray, " cluster"]:
        """tau n_k, in whole draws: those after which a cluster is knocked out; 0 for one that is never drawn."""
        draws = np.floor(self.clip * np.maximum(sizes, 1) * (1 + 1e-12))  # 0.7 of 10 is 7, and in floats a little less
        return np.where(sizes > 0, draws, 0.0)


@dataclass(frozen=True)
class Budget:
    """How much is drawn: documents, or tokens, reached or just passed by the last document."""

    amount: int
    unit: Unit = "draws"

    @classmethod
    def of(cls, draws: int | None, tokens: int | None) -> Budget:
        """The budget of whichever is given. Raises UserError for none, both, or less than 1."""
        given = [(amount, unit) for amount, unit in ((draws, "draws"), (tokens, "tokens")) if amount is not None]
        if len(given) != 1 or given[0][0] < 1:
            told = " and ".join(f"{amount} {unit}" for amount, unit in given) or "no budget"
            raise UserError(f"{told} given; accepted is either a number of draws or a number of tokens, 1 or more")
        return cls(*given[0])  # type: ignore[arg-type]
