"""The k largest positive pre-activations of each position are on (Gao et al. 2024, arXiv 2406.04093).

Dead features are revived by resampling (`interp.dictionaries.revival`) instead of the paper's auxiliary loss.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.base import Dictionary
from interp.dictionaries.objective import Objective, Rule, select


class TopKDictionary(Dictionary):
    """At most `config["k"]` features are on."""

    architecture = "topk"

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """Zero all but the k largest, then ReLU."""
        return select(pre, self.config["k"])


class TopK(Objective):
    """Squared error alone."""

    def __init__(self, k: int) -> None:
        self.k = k

    def rule(self, pre: Float[Tensor, "site row feature"], threshold: Float[Tensor, "site feature"]) -> Rule:
        """The k largest of each row."""
        return Rule(threshold, k=self.k)
