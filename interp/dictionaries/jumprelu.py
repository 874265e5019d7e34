"""A threshold for each feature (Rajamanoharan et al. 2024, arXiv 2407.14435).

BatchTopK dictionaries are stored in this form too, with one threshold for all features, as SAELens does.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.dictionaries.base import Dictionary


class JumpReluDictionary(Dictionary):
    """Pre-activations above their feature's threshold pass unchanged."""

    architecture = "jumprelu"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.threshold = nn.Parameter(torch.zeros(config["d_sae"]))

    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """z where z exceeds both its threshold and zero."""
        return pre.relu() * (pre > self.threshold)
