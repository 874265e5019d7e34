"""The k largest positive pre-activations of each position are on (Gao et al. 2024, arXiv 2406.04093)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.bank import select
from interp.dictionaries.base import Dictionary


class TopKDictionary(Dictionary):
    """At most `config["k"]` features are on."""

    architecture = "topk"

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """Zero all but the k largest, then ReLU."""
        return select(pre, self.config["k"])
