"""Rotary positions (Su et al. 2021, arXiv 2104.09864): queries and keys turn by an angle that grows with position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Rotary:
    """Rotations of the first `2 * len(frequencies)` dimensions of a head; the rest pass unchanged."""

    frequencies: Float[Tensor, " pairs"]
    """Angle a position, one for each plane."""
    pairing: Literal["halves", "neighbours"] = "halves"
    """Planes join dimension i with i + pairs (Llama, NeoX), or 2i with 2i + 1 (GPT-J)."""
    factor: float = 1.0
    """Factor on the rotated dimensions that some long-context variants apply."""

    def rotate(
        self, x: Float[Tensor, "*batch pos d_head"], positions: Int[Tensor, " pos"], *, transpose: bool = False
    ) -> Float[Tensor, "*batch pos d_head"]:
        """`x` turned forwards, or by the transposed matrix."""
        angles = positions.to(torch.float64)[:, None] * self.frequencies.to(torch.float64)
        cos = (angles.cos() * self.factor).to(x.dtype)
        sin = (angles.sin() * (-self.factor if transpose else self.factor)).to(x.dtype)
        width = 2 * len(self.frequencies)
        turned, rest = x[..., :width], x[..., width:]
        if self.pairing == "halves":
            left, right = turned.chunk(2, -1)
            turned = torch.cat([left * cos - right * sin, right * cos + left * sin], -1)
        else:
            left, right = turned[..., 0::2], turned[..., 1::2]
            turned = torch.stack([left * cos - right * sin, right * cos + left * sin], -1).flatten(-2)
        return torch.cat([turned, rest], -1)
