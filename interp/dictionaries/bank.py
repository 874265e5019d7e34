"""Many dictionaries trained as one: the same kind and width at every site, stacked along the first axis.

All sites see the same positions, so one forward pass of the model feeds them all and each product is one batched
call. Inside the bank each site's activations are centred by a bias that starts at their mean and scaled to variance
one a dimension, so that one learning rate and one L1 weight fit every site; `scale` is folded back into the weights
when a dictionary is taken out (`interp.dictionaries.registry`). Decoder rows are unit vectors: the gradient along a
row is removed before the update and the row renormalised after it (He et al. 2024, arXiv 2402.12201, section B3 of
our notes; Bricken et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.dictionaries.kernels import GROUP, accumulate_step

ROWS_AT_ONCE = 512  # pre-activations of 12 sites then stay near the last-level cache


class StepSums(NamedTuple):
    """Means over one step, each [site]."""

    squared_error: Float[Tensor, " site"]
    """Mean squared norm of the reconstruction error, in the bank's scaled units."""
    l0: Float[Tensor, " site"]
    """Mean active features a position."""
    l1: Float[Tensor, " site"]
    """Mean summed activation a position."""


@dataclass(frozen=True)
class Objective:
    """What the bank minimises: the mean squared error plus `l1` times the summed activations."""

    k: int = 0
    """Keep the k largest positive pre-activations; 0 keeps all positive ones."""
    l1: float = 0.0
    """Weight of the summed activations, in units of the scaled squared error."""


class Bank(nn.Module):
    """Stacked dictionaries and what must survive a kill: parameters, scales, and counts since a feature last fired."""

    scale: Tensor
    since_fired: Tensor

    def __init__(self, sites: int, d_in: int, d_sae: int, *, generator: torch.Generator) -> None:
        super().__init__()
        if d_sae % GROUP:
            raise ValueError(f"d_sae {d_sae} must be a multiple of {GROUP}")
        directions = torch.randn(sites, d_sae, d_in, generator=generator)
        directions /= directions.norm(dim=-1, keepdim=True)
        self.encoder = nn.Parameter(directions.clone())
        self.decoder = nn.Parameter(directions)
        self.encoder_bias = nn.Parameter(torch.zeros(sites, d_sae))
        self.decoder_bias = nn.Parameter(torch.zeros(sites, d_in))
        self.register_buffer("scale", torch.ones(sites))
        self.register_buffer("since_fired", torch.zeros(sites, d_sae, dtype=torch.int64))

    @torch.no_grad()
    def fit_scale(self, outputs: Float[Tensor, "site row d_in"]) -> None:
        """Set each site's centre and scale from a sample of what the dictionary must reconstruct."""
        centre = outputs.mean(1)
        spread = (outputs - centre[:, None]).square().mean((1, 2)).sqrt()
        self.scale.copy_(1 / spread)
        self.decoder_bias.copy_(centre * self.scale[:, None])

    @torch.no_grad()
    def backward(self, activations: Float[Tensor, "site row d_in"], objective: Objective) -> StepSums:
        """Set every parameter's gradient of the mean loss over the rows."""
        x = activations * self.scale[:, None, None] - self.decoder_bias[:, None]
        gradients = _Gradients.zeros(self)
        for start in range(0, x.shape[1], ROWS_AT_ONCE):
            rows = x[:, start : start + ROWS_AT_ONCE].contiguous()
            pre = torch.baddbmm(self.encoder_bias[:, None], rows, self.encoder.mT)
            if x.device.type == "cpu":
                gradients.add_compiled(pre, rows, self.decoder, objective)
            else:
                gradients.add_dense(pre, rows, self.decoder, objective)
        self._set(gradients, x.shape[1])
        fired = gradients.fired > 0
        self.since_fired.add_(x.shape[1]).masked_fill_(fired, 0)
        means = gradients.sums / x.shape[1]
        return StepSums(means[:, 0].float(), means[:, 1].float(), means[:, 2].float())

    def _set(self, gradients: _Gradients, rows: int) -> None:
        along = (gradients.decoder * self.decoder).sum(-1, keepdim=True)
        self.decoder.grad = (gradients.decoder - along * self.decoder) / rows
        self.encoder.grad = gradients.encoder / rows
        self.encoder_bias.grad = gradients.encoder_bias / rows
        # x enters the error with the bias subtracted and the encoder reads it so as well.
        through_encoder = torch.einsum("sfd,sf->sd", self.encoder, gradients.encoder_bias)
        self.decoder_bias.grad = (2 * gradients.error - through_encoder) / rows

    @torch.no_grad()
    def normalise(self) -> None:
        """Make every decoder row a unit vector again."""
        self.decoder.div_(self.decoder.norm(dim=-1, keepdim=True).clamp_min(1e-12))


@dataclass
class _Gradients:
    """Sums over rows, before the division by their number."""

    decoder: Tensor
    encoder: Tensor
    encoder_bias: Tensor
    error: Tensor
    fired: Tensor
    sums: Tensor

    @classmethod
    def zeros(cls, bank: Bank) -> _Gradients:
        like = torch.zeros_like
        return cls(
            like(bank.decoder), like(bank.encoder), like(bank.encoder_bias), like(bank.decoder_bias),
            like(bank.since_fired), torch.zeros(len(bank.scale), 3, dtype=torch.float64, device=bank.scale.device),
        )  # fmt: skip

    def add_compiled(self, pre: Tensor, rows: Tensor, decoder: Tensor, objective: Objective) -> None:
        sites, _, features = pre.shape
        own = (self.decoder, self.encoder, self.encoder_bias, self.error, self.fired, self.sums)
        accumulate_step(
            pre.numpy(), rows.numpy(), rows.numpy(), decoder.detach().numpy(), np.full(sites, objective.k),
            np.zeros((sites, features), np.float32), np.full(sites, objective.l1, np.float32),
            *(tensor.numpy() for tensor in own),
        )  # fmt: skip

    def add_dense(self, pre: Tensor, rows: Tensor, decoder: Tensor, objective: Objective) -> None:
        acts = select(pre, objective.k)
        error = acts @ decoder - rows
        active = acts > 0
        slope = (2 * error @ decoder.mT + objective.l1) * active
        self.decoder += 2 * acts.mT @ error
        self.encoder += slope.mT @ rows
        self.encoder_bias += slope.sum(1)
        self.error += error.sum(1)
        self.fired += active.sum(1)
        self.sums += torch.stack([error.square().sum((1, 2)), active.sum((1, 2)), acts.sum((1, 2))], 1)


def select(pre: Float[Tensor, "*rows feature"], k: int) -> Float[Tensor, "*rows feature"]:
    """Activations: positive pre-activations, with k > 0 only those among the k largest of their row."""
    if k == 0:
        return pre.relu()
    values, indices = pre.topk(k, dim=-1)
    return torch.zeros_like(pre).scatter_(-1, indices, values.relu())


@torch.no_grad()
def resample(
    bank: Bank,
    dead: Int[Tensor, "pairs 2"],
    activations: Float[Tensor, "site row d_in"],
    optimizer: torch.optim.Optimizer,
    k: int,
    generator: torch.Generator,
) -> None:
    """Point dead features, given as (site, feature) pairs, at positions that their site reconstructs badly.

    A dead feature takes the direction of a position's error, drawn in proportion to the squared error, with an encoder
    at a fifth of the mean norm of its site, no bias, and fresh optimizer state (Bricken et al. 2023, appendix).
    """
    x = activations * bank.scale[:, None, None] - bank.decoder_bias[:, None]
    for site in dead[:, 0].unique().tolist():
        features = dead[dead[:, 0] == site, 1]
        pre = x[site] @ bank.encoder[site].mT + bank.encoder_bias[site]
        error = x[site] - select(pre, k) @ bank.decoder[site]
        rows = torch.multinomial(error.square().sum(-1).cpu(), len(features), generator=generator, replacement=True)
        directions = nn.functional.normalize(error[rows.to(error.device)], dim=-1)
        bank.decoder[site, features] = directions
        bank.encoder[site, features] = directions * 0.2 * bank.encoder[site].norm(dim=-1).mean()
        bank.encoder_bias[site, features] = 0
        bank.since_fired[site, features] = 0
        for parameter in (bank.encoder, bank.decoder, bank.encoder_bias):
            for name in ("exp_avg", "exp_avg_sq"):
                optimizer.state[parameter][name][site, features] = 0
