"""What can be traced: a logit, a dictionary feature's pre-activation, an attention score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogitTarget:
    """The logit of a token after a position."""

    token: int
    position: int
    """From 0."""
    minus_mean_of: tuple[int, ...] = ()
    """Subtract the mean logit of these tokens: the part of a logit that the softmax ignores goes with it."""
    name: str = ""
    """How the token is written in the target's text; its number if empty."""

    @property
    def text(self) -> str:
        """As on the command line."""
        centred = "-mean" if self.minus_mean_of else ""
        return f"logit{centred}:{self.name or self.token}@{self.position + 1}"


@dataclass(frozen=True)
class FeatureTarget:
    """The pre-activation of a feature; if it is not positive, the trace says why the feature is off."""

    site: str
    index: int
    position: int
    """From 0."""

    @property
    def text(self) -> str:
        """As on the command line."""
        return f"feature:{self.site}/{self.index}@{self.position + 1}"


@dataclass(frozen=True)
class AttentionTarget:
    """The scaled score of a head from a query to a key position, before the softmax."""

    layer: int
    head: int
    query: int
    """From 0."""
    key: int
    """From 0, at most `query`."""
    minus_mean: bool = False
    """Subtract the mean score over the keys up to the query, which the softmax ignores."""

    @property
    def text(self) -> str:
        """As on the command line."""
        centred = "-mean" if self.minus_mean else ""
        return f"attention{centred}:L{self.layer}H{self.head}@{self.query + 1},{self.key + 1}"


Target = LogitTarget | FeatureTarget | AttentionTarget
