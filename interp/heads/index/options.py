"""What the definition of the relation index leaves open, as named choices (arXiv 2402.13055; our notes, A4).

The defaults are ours: the residual stream that each layer really reads, the current token through OV as the formula
says. `source="embed"` is the formula taken literally, and both are to be shown side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from interp.runs.errors import UserError

Source = Literal["resid", "embed"]
OvToken = Literal["current", "attended", "mixed"]
Average = Literal["macro", "micro"]

ARGMAX_ONLY = 0.0
"""The threshold that every arg max passes, as the paper uses it over training."""
TAUS = (ARGMAX_ONLY, 1.5, 2.0, 2.2, 2.5, 3.0, 5.0)
"""Thresholds that every measurement keeps apart: those of the paper's figures 11 and 15."""


@dataclass(frozen=True)
class IndexOptions:
    """Choices of one relation index. Raises UserError for a value that is none of a field's."""

    source: Source = "resid"
    """What queries, keys and values are made from: the residual stream, or the token embeddings without any position,
    which every layer then reads through its own norm (their x; no forward pass is needed)."""
    ov_token: OvToken = "current"
    """Whose value passes W_O and the unembedding: the token at j (their formula), the attended token, or all tokens mixed
    by the attention (what the head really writes)."""
    final_norm: bool = False
    """Whether the final norm stands before the unembedding, its scale frozen at that of position j: in the model's own
    final stream, or with `source="embed"` in the embeddings."""
    average: Average = "macro"
    """Mean over triplets of their means over events, or over all events alike."""
    tau: float | None = 2.2
    """Attention on the head token over the largest on any other token must exceed this; None for the arg max alone."""
    bos: bool = False
    """Whether texts begin with the tokenizer's beginning-of-sequence token, which then is a context token as all others."""

    def __post_init__(self) -> None:
        for name, kind in (("source", Source), ("ov_token", OvToken), ("average", Average)):
            value = getattr(self, name)
            if value not in get_args(kind):
                raise UserError(f"there is no {name} '{value}'; accepted are {', '.join(get_args(kind))}")
        if self.tau is not None and not 1 <= self.tau < float("inf"):
            raise UserError(
                f"a tau of {self.tau} is refused: a ratio to the runner-up is at least 1, or none for arg max alone"
            )

    @property
    def threshold(self) -> float:
        """`tau` as a number, ARGMAX_ONLY for None."""
        return ARGMAX_ONLY if self.tau is None else self.tau

    @property
    def taus(self) -> tuple[float, ...]:
        """All thresholds that a measurement with these options keeps apart, ascending."""
        return tuple(sorted({*TAUS, self.threshold}))


DEFAULT = IndexOptions()
