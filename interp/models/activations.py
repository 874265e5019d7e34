"""Activations written as a gate on their own input: act(z) = z * self_gate(z).

The gate is computed in closed form, never as act(z) / z, which is 0/0 at zero: step for ReLU, sigmoid for SiLU, the
Gaussian distribution function for GELU, its tanh form for GPT-2's `gelu_new`.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Activation = Literal["relu", "silu", "gelu", "gelu_tanh"]

NAMES: dict[str, Activation] = {
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}
"""Hugging Face's names of the activations that have a gate form here."""


def self_gate(z: Float[Tensor, "*rows"], act: Activation) -> Float[Tensor, "*rows"]:
    """act(z) / z, with its limit at zero (the step is 0 there)."""
    if act == "relu":
        return (z > 0).to(z.dtype)
    if act == "silu":
        return torch.sigmoid(z)
    if act == "gelu":
        return 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
