"""The paper's dictionary: ReLU, made sparse by an L1 penalty in training (He et al. 2024; SAELens: `standard`)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.base import Dictionary


class ReluDictionary(Dictionary):
    """All positive pre-activations are on."""

    architecture = "standard"

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """ReLU."""
        return pre.relu()
