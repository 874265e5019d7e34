"""Which cluster the next document comes from (arXiv 2402.14526): six rules that differ in two things, and mixtures.

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

When all clusters are knocked out the stream stops or, if `on_exhausted` says so, what is left of the budget is drawn as
`random` does. The digest does not say which the paper does; both are ours.

A mixture draws group k in proportion to u_k n_k, with factors u_k that its maker sets: how often a document of group k
comes in the time in which one of a group with factor 1 comes once (the recipe of arXiv 2402.13583 is one over types).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from interp.runs.errors import UserError, check_known

Kind = Literal["random", "uniform", "clusterclip", "general_to_specific", "specific_to_general", "temperature", "mixture"]
Order = Literal["iid", "round_robin"]
OnExhausted = Literal["stop", "random"]
Unit = Literal["draws", "tokens"]
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "mixture")
"""Rules that need no more than a name; a mixture needs its factors."""
CLIP = 5.0
"""Default clip of ClusterClip."""
ALPHA = 0.5
"""Default temperature exponent."""
STAIRS = 256
"""Steps in which the curricula move alpha."""
_FIXED = {"random": 1.0, "uniform": 0.0, "clusterclip": 0.0, "mixture": 1.0}
_UNSAID: dict[str, Any] = {"factors": [], "on_exhausted": "stop"}
"""Settings that go without saying."""


@dataclass(frozen=True)
class Strategy:
    """A rule of sampling. `Strategy.named` and `Strategy.mixture` fill defaults and check what a user gave."""

    kind: Kind
    clip: float = math.inf
    """tau: passes over a cluster after which it is knocked out; infinite for no clip."""
    alpha: float = ALPHA
    """Exponent of the sizes, of `temperature` alone: 1 samples as documents lie, 0 all clusters alike."""
    order: Order = "iid"
    """Clusters drawn independently, or in turns such that draws stay within one of what is expected."""
    factors: tuple[float, ...] = ()
    """u_k, of `mixture` alone: one a group; a group with factor 0 is never drawn."""
    on_exhausted: OnExhausted = "stop"
    """What comes when all clusters are knocked out: nothing, or random draws of all documents."""

    @classmethod
    def named(
        cls,
        kind: str,
        *,
        clip: float | None = None,
        alpha: float | None = None,
        order: str = "iid",
        on_exhausted: str = "stop",
    ) -> Strategy:
        """The strategy of that name (hyphens allowed). Raises UserError for an unknown name or an impossible number.

        random and uniform have no clip: one given is left out. Without a clip nothing is ever exhausted, so what is to come
        then is left out too.
        """
        name = kind.replace("-", "_")
        if name not in KINDS:
            raise UserError(f"unknown strategy '{kind}'; accepted are {', '.join(KINDS)}")
        check_known("order", order, Order)
        check_known("on_exhausted", on_exhausted, OnExhausted)
        if clip is not None and not clip > 0:
            raise UserError(f"clip {clip} is refused; accepted is a number above 0 (passes over a cluster), or none")
        if alpha is not None and not math.isfinite(alpha):
            raise UserError(
                f"alpha {alpha} is refused; accepted is a finite number, 1 as documents lie, 0 all clusters alike"
            )
        default = CLIP if name == "clusterclip" else math.inf
        tau = math.inf if name in ("random", "uniform") else clip or default
        then = on_exhausted if math.isfinite(tau) else "stop"
        return cls(name, tau, ALPHA if alpha is None else alpha, order, on_exhausted=then)  # type: ignore[arg-type]

    @classmethod
    def mixture(cls, factors: Sequence[float], *, order: str = "round_robin") -> Strategy:
        """The mixture with these factors. Raises UserError unless all are 0 or more, finite, and one is not 0."""
        check_known("order", order, Order)
        if not all(0 <= factor < math.inf for factor in factors) or not any(factors):
            raise UserError(f"factors {list(factors)} are refused; accepted are numbers from 0, at least one above it")
        return cls("mixture", order=order, factors=tuple(map(float, factors)))  # type: ignore[arg-type]

    def settings(self) -> dict[str, Any]:
        """All that makes the rule, in numbers, words and lists, but for factors where there are none and a plain stop."""
        found = asdict(self) | {"factors": list(self.factors)}
        return {name: value for name, value in found.items() if name not in _UNSAID or value != _UNSAID[name]}

    @property
    def phases(self) -> list[Strategy]:
        """This rule, and the one that follows when all clusters are knocked out."""
        return [self] if self.on_exhausted == "stop" else [self, Strategy("random", order=self.order)]

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

    def log_weights(self, sizes: Int[np.ndarray, " cluster"], stair: int = 0) -> Float[np.ndarray, " cluster"]:
        """log(n_k^alpha), with log(u_k) added for mixtures; minus infinity for clusters that are never drawn.

        Raises UserError for another number of groups than there are factors, or if nothing can be drawn.
        """
        logs = self.exponent(stair) * np.log(np.maximum(sizes, 1))
        if self.factors:
            self._check_groups(len(sizes))
            with np.errstate(divide="ignore"):
                logs = logs + np.log(self.factors)
        logs[sizes <= 0] = -np.inf
        if np.max(logs) == -np.inf:
            raise UserError(f"no group with a factor above 0 has documents: sizes {np.asarray(sizes).tolist()[:8]}")
        return logs

    def weights(self, sizes: Int[np.ndarray, " cluster"], stair: int = 0) -> Float[np.ndarray, " cluster"]:
        """n_k^alpha (u_k n_k for mixtures) over its largest value, 0 for empty clusters; at least one is not."""
        logs = self.log_weights(sizes, stair)
        return np.exp(logs - logs.max())

    def limits(self, sizes: Int[np.ndarray, " cluster"]) -> Float[np.ndarray, " cluster"]:
        """tau n_k, in whole draws: those after which a cluster is knocked out; 0 for one that is never drawn."""
        draws = np.floor(self.clip * np.maximum(sizes, 1) * (1 + 1e-12))  # 0.7 of 10 is 7, and in floats a little less
        if not self.factors:
            return np.where(sizes > 0, draws, 0.0)
        self._check_groups(len(sizes))
        return np.where((sizes > 0) & (np.array(self.factors) > 0), draws, 0.0)

    def _check_groups(self, count: int) -> None:
        if len(self.factors) != count:
            raise UserError(f"{len(self.factors)} factors for {count} groups; accepted is one a group")


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
