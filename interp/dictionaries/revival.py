"""Dead features get a new start (Bricken et al. 2023, "Towards Monosemanticity", appendix on resampling)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.dictionaries.bank import Bank
from interp.dictionaries.objective import Objective

AT_ONCE = 16
"""Features of a site revived in one go. Hundreds at once fire together on the same positions, overshoot (seen: the loss
rose eightfold to fiftyfold and took some 40 steps to fall again) and die anew."""


@torch.no_grad()
def resample(
    bank: Bank,
    dead: Int[Tensor, "pairs 2"],
    written: Float[Tensor, "site row d_in"],
    read: Float[Tensor, "site row d_in"] | None,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Point some dead features, given as (site, feature) pairs, at positions that their site reconstructs badly.

    A dead feature decodes to a position's error and encodes that position's input, the position drawn in proportion
    to its squared error. Its encoder has its site's mean norm (the source's fifth of it would rarely be among the k
    largest), its bias is zero and its optimizer state fresh.
    """
    inputs, targets = bank.scaled(written, read)
    for site in dead[:, 0].unique().tolist():
        only = slice(site, site + 1)
        features = dead[dead[:, 0] == site, 1]
        features = features[torch.randperm(len(features), generator=generator)[:AT_ONCE].to(features.device)]
        pre = torch.baddbmm(bank.encoder_bias[only, None], inputs[only], bank.encoder[only].mT)
        error = (targets[only] - objective.rule(pre, bank.threshold[only]).activate(pre) @ bank.decoder[only])[0]
        rows = torch.multinomial(error.square().sum(-1).cpu(), len(features), generator=generator, replacement=True)
        directions = nn.functional.normalize(error[rows.to(error.device)], dim=-1)
        towards = directions if read is None else nn.functional.normalize(inputs[site, rows.to(error.device)], dim=-1)
        bank.decoder[site, features] = directions
        bank.encoder[site, features] = towards * bank.encoder[site].norm(dim=-1).mean()
        bank.encoder_bias[site, features] = 0
        bank.since_fired[site, features] = 0
        for parameter in (bank.encoder, bank.decoder, bank.encoder_bias):
            for name in ("exp_avg", "exp_avg_sq"):
                optimizer.state[parameter][name][site, features] = 0
