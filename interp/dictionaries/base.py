"""What all dictionaries share: an affine encoder, an activation, an affine decoder.

With y a site's output, c = act((y - b_dec) W_enc + b_enc) and y^ = c W_dec + b_dec (He et al. 2024, arXiv 2402.12201);
names, shapes and the switch for subtracting b_dec are those of SAELens, whose files we read and write.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DictionaryOutput(NamedTuple):
    """One pass through a dictionary."""

    acts: Float[Tensor, "*rows d_sae"]
    reconstruction: Float[Tensor, "*rows d_in"]


class Dictionary(nn.Module, ABC):
    """A trained dictionary. `config` is the content of SAELens' cfg.json and is kept whole."""

    architecture: ClassVar[str]
    """SAELens' name of the kind."""
    W_enc: nn.Parameter
    b_enc: nn.Parameter
    W_dec: nn.Parameter
    b_dec: nn.Parameter

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        d_in, d_sae = config["d_in"], config["d_sae"]
        self.W_enc = nn.Parameter(torch.zeros(d_in, d_sae))
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.W_dec = nn.Parameter(torch.zeros(d_sae, d_in))
        self.b_dec = nn.Parameter(torch.zeros(d_in))

    @abstractmethod
    def activate(self, pre: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_sae"]:
        """Activations of pre-activations."""

    def pre_activations(self, x: Float[Tensor, "*rows d_in"]) -> Float[Tensor, "*rows d_sae"]:
        """The encoder's affine part."""
        centred = x - self.b_dec if self.config["apply_b_dec_to_input"] else x
        return centred @ self.W_enc + self.b_enc

    def encode(self, x: Float[Tensor, "*rows d_in"]) -> Float[Tensor, "*rows d_sae"]:
        """Activations, zero where a feature is off."""
        return self.activate(self.pre_activations(x))

    def decode(self, acts: Float[Tensor, "*rows d_sae"]) -> Float[Tensor, "*rows d_in"]:
        """Reconstruction from activations."""
        return acts @ self.W_dec + self.b_dec

    def forward(self, x: Float[Tensor, "*rows d_in"]) -> DictionaryOutput:
        """Activations and reconstruction of `x`."""
        acts = self.encode(x)
        return DictionaryOutput(acts, self.decode(acts))
