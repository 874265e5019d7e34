"""How much of the transformer a dictionary set keeps.

For each site: mean active features, explained variance 1 - sum |x - x^|^2 / sum |x - mean x|^2, norm ratio, share of
features alive, antipodal pairs, and loss recovered (CE_zero - CE_spliced) / (CE_zero - CE_orig), where CE is the
cross-entropy against the exact uniform target and `zero` writes zeros at the site. Its denominator is reported as
`zero_cost`: below 0.02 nats the ratio says little. All sites are also spliced at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.base import Dictionary
from interp.dictionaries.sets import DictionarySet
from interp.othello.evaluate import Batch, batches, cross_entropy
from interp.othello.transformer import Edit, OthelloTransformer

ALIVE = 2e-5  # He et al. count a feature as active if it fires on more than 0.002 % of tokens
ANTIPODAL = -0.9


class SetEvaluation(NamedTuple):
    """Evaluation of one set on unseen games."""

    sites: list[dict[str, Any]]
    """One entry a site, see the module's docstring."""
    joint_legal_top1: float
    """Legality of the first choice with all sites spliced."""
    model_legal_top1: float
    """The transformer's own."""


def splice(dictionary: Dictionary) -> Edit:
    """Replace what a site writes by the dictionary's reconstruction."""
    return lambda output: dictionary(output).reconstruction


@torch.no_grad()
def evaluate_set(model: OthelloTransformer, dictionaries: DictionarySet, *, games: int, seed: int) -> SetEvaluation:
    """Evaluate every dictionary alone, and all together, on `games` held-out games."""
    held_out = list(batches(games, seed=seed))
    base_loss, base_top1 = _loss_and_legality(held_out, model)
    sites = []
    for site, dictionary in dictionaries.items():
        spliced, top1 = _loss_and_legality(held_out, _edited(model, {site: splice(dictionary)}))
        zeroed, _ = _loss_and_legality(held_out, _edited(model, {site: torch.zeros_like}))
        recovered = (zeroed - spliced) / (zeroed - base_loss) if zeroed != base_loss else float("nan")
        outputs = torch.cat([model.write_sites(batch.tokens)[site].flatten(0, 1) for batch in held_out])
        sites.append(
            {"site": site, **_reconstruction(dictionary, outputs), "loss_recovered": recovered}
            | {"zero_cost": zeroed - base_loss, "legal_top1": top1}
        )
    joint = _edited(model, {site: splice(dictionary) for site, dictionary in dictionaries.items()})
    return SetEvaluation(sites, _loss_and_legality(held_out, joint)[1], base_top1)


def _edited(model: OthelloTransformer, edits: dict[str, Edit]) -> Callable[[Tensor], Tensor]:
    return lambda tokens: model.forward_edited(tokens, edits)


def _loss_and_legality(held_out: list[Batch], logits_of: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    losses, legal = [], []
    for batch in held_out:
        logits = logits_of(batch.tokens)
        losses.append(cross_entropy(logits, batch.targets).double().mean(-1))
        first = batch.targets.gather(-1, logits.argmax(-1, keepdim=True))[..., 0] > 0
        legal.append(first.double().mean(-1))
    return float(torch.cat(losses).mean()), float(torch.cat(legal).mean())


def _reconstruction(dictionary: Dictionary, outputs: Float[Tensor, "rows d_in"]) -> dict[str, float]:
    acts, reconstruction = dictionary(outputs)
    error = (outputs - reconstruction).square().sum().double()
    variance = (outputs - outputs.mean(0)).square().sum().double()
    alive = (acts > 0).double().mean(0) > ALIVE
    directions = torch.nn.functional.normalize(dictionary.W_dec[alive], dim=-1)
    antipodal = ((directions @ directions.T).amin(1) < ANTIPODAL).double().mean() if alive.any() else torch.zeros(())
    return {
        "l0": float((acts > 0).double().sum(-1).mean()),
        "explained_variance": float(1 - error / variance),
        "norm_ratio": float((reconstruction.norm(dim=-1) / outputs.norm(dim=-1)).double().mean()),
        "alive": float(alive.double().mean()),
        "antipodal": float(antipodal),
    }
