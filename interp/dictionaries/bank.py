"""Many dictionaries trained as one: the same kind and width at every site, stacked along the first axis.

All sites see the same positions, so one forward pass of the model feeds them all and each product is one batched
call. Inside the bank each site's outputs are centred by a bias that starts at their mean and scaled to variance one a
dimension, so that one learning rate and one penalty fit every site. An autoencoder encodes these centred outputs; a
transcoder encodes its site's inputs, centred and scaled likewise by constants. `folded` gives back dictionaries of
raw activations. Decoder rows are unit vectors: the gradient along a row is removed before the update and the row
renormalised after it (He et al. 2024, arXiv 2402.12201, section B3 of our notes; Bricken et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.dictionaries.kernels import GROUP, accumulate_step
from interp.dictionaries.objective import Objective, Rule

ROWS_AT_ONCE = 512  # pre-activations of 12 sites then stay near the last-level cache
_LEAST_TASKS = 4
"""Fewer sites than this have their rows split, so that the compiled step still fills the cores. Never the number of
cores: results must not depend on it."""


class StepSums(NamedTuple):
    """Means over one step, each [site]."""

    squared_error: Float[Tensor, " site"]
    """Mean squared norm of the reconstruction error, in the bank's scaled units."""
    l0: Float[Tensor, " site"]
    """Mean active features a position."""
    l1: Float[Tensor, " site"]
    """Mean summed activation a position."""


class Bank(nn.Module):
    """Stacked dictionaries and what must survive a kill: parameters, scales, and counts since a feature last fired."""

    scale: Tensor
    input_scale: Tensor
    input_centre: Tensor
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
        self.threshold = nn.Parameter(torch.zeros(sites, d_sae))
        """Without a gradient, and so left alone by the optimizer, unless the objective trains it."""
        self.register_buffer("scale", torch.ones(sites))
        self.register_buffer("input_scale", torch.ones(sites))
        self.register_buffer("input_centre", torch.zeros(sites, d_in))
        self.register_buffer("since_fired", torch.zeros(sites, d_sae, dtype=torch.int64))

    @torch.no_grad()
    def fit(
        self,
        written: Float[Tensor, "site row d_in"],
        read: Float[Tensor, "site row d_in"] | None,
        objective: Objective,
    ) -> None:
        """Set each site's centre, scale and thresholds from a sample; `read` only for transcoders."""
        centre = written.mean(1)
        self.scale.copy_(1 / _spread(written))
        self.decoder_bias.copy_(centre * self.scale[:, None])
        self.input_scale.copy_(self.scale if read is None else 1 / _spread(read))
        if read is not None:
            self.input_centre.copy_(read.mean(1))
        objective.start(self, self.pre_activations(self.scaled(written, read)[0]))

    def scaled(
        self, written: Float[Tensor, "site row d_in"], read: Float[Tensor, "site row d_in"] | None
    ) -> tuple[Float[Tensor, "site row d_in"], Float[Tensor, "site row d_in"]]:
        """What the encoder reads and what the decoder must sum to."""
        target = written * self.scale[:, None, None] - self.decoder_bias[:, None]
        if read is None:
            return target, target
        return (read - self.input_centre[:, None]) * self.input_scale[:, None, None], target

    def pre_activations(self, inputs: Float[Tensor, "site row d_in"]) -> Float[Tensor, "site row feature"]:
        """The encoder's affine part, of scaled inputs."""
        return torch.baddbmm(self.encoder_bias[:, None], inputs, self.encoder.mT)

    @torch.no_grad()
    def backward(
        self,
        written: Float[Tensor, "site row d_in"],
        read: Float[Tensor, "site row d_in"] | None,
        objective: Objective,
    ) -> StepSums:
        """Set every parameter's gradient of the mean loss over the rows; `read` only for transcoders."""
        inputs, targets = self.scaled(written, read)
        gradients = _Gradients.zeros(self, self._parts(targets))
        step = ROWS_AT_ONCE * gradients.parts
        for start in range(0, targets.shape[1], step):
            rows = slice(start, start + step)
            block, wanted = inputs[:, rows].contiguous(), targets[:, rows].contiguous()
            pre = self.pre_activations(block)
            rule = objective.rule(pre, self.threshold)
            if pre.device.type == "cpu":
                gradients.add_compiled(pre, block, wanted, self.decoder, rule)
            else:
                gradients.add_dense(pre, block, wanted, self.decoder, rule)
            objective.follow(self, rule)
        gradients = gradients.merged()
        self._set(gradients, targets.shape[1], centred=read is None, trains_threshold=rule.bandwidth > 0)
        fired = gradients.fired > 0
        self.since_fired.add_(targets.shape[1]).masked_fill_(fired, 0)
        means = gradients.sums / targets.shape[1]
        return StepSums(means[:, 0].float(), means[:, 1].float(), means[:, 2].float())

    def _parts(self, targets: Tensor) -> int:
        wanted = _LEAST_TASKS // len(self.scale) if targets.device.type == "cpu" else 1
        return math.gcd(max(wanted, 1), targets.shape[1])

    def _set(self, gradients: _Gradients, rows: int, *, centred: bool, trains_threshold: bool) -> None:
        along = (gradients.decoder * self.decoder).sum(-1, keepdim=True)
        self.decoder.grad = (gradients.decoder - along * self.decoder) / rows
        self.encoder.grad = gradients.encoder / rows
        self.encoder_bias.grad = gradients.encoder_bias / rows
        self.decoder_bias.grad = 2 * gradients.error / rows
        if centred:  # an autoencoder's encoder reads its input with the decoder bias subtracted
            self.decoder_bias.grad -= torch.einsum("sfd,sf->sd", self.encoder, self.encoder_bias.grad)
        if trains_threshold:
            self.threshold.grad = gradients.threshold / rows

    @torch.no_grad()
    def normalise(self) -> None:
        """Make every decoder row a unit vector again, and keep thresholds from falling below zero."""
        self.decoder.div_(self.decoder.norm(dim=-1, keepdim=True).clamp_min(1e-12))
        self.threshold.clamp_min_(0)

    @torch.no_grad()
    def folded(self, site: int) -> dict[str, Tensor]:
        """SAELens' tensors of one site's dictionary, acting on raw activations."""
        scale, input_scale = self.scale[site], self.input_scale[site]
        from_centre = self.encoder[site] @ self.input_centre[site] * input_scale
        return {
            "W_enc": (self.encoder[site].T * (input_scale / scale)).contiguous(),
            "b_enc": (self.encoder_bias[site] - from_centre) / scale,
            "W_dec": self.decoder[site],
            "b_dec": self.decoder_bias[site] / scale,
            "threshold": self.threshold[site] / scale,
        }

    @torch.no_grad()
    def unfold(self, site: int, tensors: Mapping[str, Tensor]) -> None:
        """Take over one site's dictionary from what `folded` gave, in this bank's scales; a missing threshold is zero."""
        scale, input_scale = self.scale[site], self.input_scale[site]
        self.encoder[site] = tensors["W_enc"].T * (scale / input_scale)
        self.encoder_bias[site] = tensors["b_enc"] * scale + self.encoder[site] @ self.input_centre[site] * input_scale
        self.decoder[site] = tensors["W_dec"]
        self.decoder_bias[site] = tensors["b_dec"] * scale
        self.threshold[site] = tensors["threshold"] * scale if "threshold" in tensors else 0


def _spread(x: Float[Tensor, "site row d_in"]) -> Float[Tensor, " site"]:
    return (x - x.mean(1, keepdim=True)).square().mean((1, 2)).sqrt()


@dataclass
class _Gradients:
    """Sums over rows, before the division by their number."""

    decoder: Tensor
    encoder: Tensor
    encoder_bias: Tensor
    threshold: Tensor
    error: Tensor
    fired: Tensor
    sums: Tensor

    parts: int = 1
    """Each site's rows are added in so many parts, which lie beside one another along the first axis until `merged`."""

    @classmethod
    def zeros(cls, bank: Bank, parts: int) -> _Gradients:
        """Sums of no row, of the bank's shapes."""

        def like(tensor: Tensor) -> Tensor:
            return tensor.new_zeros(len(tensor) * parts, *tensor.shape[1:])

        return cls(
            like(bank.decoder), like(bank.encoder), like(bank.encoder_bias), like(bank.threshold),
            like(bank.decoder_bias), like(bank.since_fired), like(bank.scale[:, None].double().expand(-1, 3)), parts,
        )  # fmt: skip

    def _tensors(self) -> tuple[Tensor, ...]:
        return (self.decoder, self.encoder, self.encoder_bias, self.threshold, self.error, self.fired, self.sums)

    def merged(self) -> _Gradients:
        """The parts of each site added up."""
        return _Gradients(*(tensor.unflatten(0, (-1, self.parts)).sum(1) for tensor in self._tensors()))

    def add_compiled(self, pre: Tensor, inputs: Tensor, targets: Tensor, decoder: Tensor, rule: Rule) -> None:
        """Add a block of rows by the compiled step, which follows active features alone."""
        l0 = torch.zeros(len(pre)) if rule.l0 is None else rule.l0
        split = [tensor.view(len(tensor) * self.parts, -1, tensor.shape[-1]) for tensor in (pre, inputs, targets)]
        decoder, threshold, l0 = (one.detach().repeat_interleave(self.parts, 0) for one in (decoder, rule.threshold, l0))
        accumulate_step(  # type: ignore[call-arg]
            *(tensor.numpy() for tensor in split), decoder.numpy(), rule.k, threshold.numpy(), rule.l1, l0.numpy(),
            rule.bandwidth, *(tensor.numpy() for tensor in self._tensors()),
        )  # fmt: skip

    def add_dense(self, pre: Tensor, inputs: Tensor, targets: Tensor, decoder: Tensor, rule: Rule) -> None:
        """Add a block of rows by dense products, as it pays on a GPU."""
        acts = rule.activate(pre)
        error = acts @ decoder - targets
        active = acts > 0
        to_acts = 2 * error @ decoder.mT
        slope = (to_acts + rule.l1) * active
        self.decoder += 2 * acts.mT @ error
        self.encoder += slope.mT @ inputs
        self.encoder_bias += slope.sum(1)
        self.error += error.sum(1)
        self.fired += active.sum(1)
        self.sums += torch.stack([error.square().sum((1, 2)), active.sum((1, 2)), acts.sum((1, 2))], 1)
        if rule.bandwidth:
            l0 = 0 if rule.l0 is None else rule.l0[:, None, None]
            near = (pre - rule.threshold[:, None]).abs() < rule.bandwidth / 2
            self.threshold -= (near * (rule.threshold[:, None] * to_acts + l0)).sum(1) / rule.bandwidth
