"""How much of the transformer a dictionary set keeps.

For each site: mean active features, explained variance 1 - sum |x - x^|^2 / sum |x - mean x|^2, norm ratio, share of
features alive, antipodal pairs, and loss recovered (CE_zero - CE_spliced) / (CE_zero - CE_orig), where CE is the
cross-entropy against the exact uniform target and `zero` writes zeros at the site. Its denominator is reported as
`zero_cost`: below 0.02 nats the ratio says little. All sites are also spliced at once. Board coverage and
reconstruction (`interp.dictionaries.board`) stand beside those of the same dictionaries with random encoders, and of
linear probes, which read the whole stream after the site's layer rather than what the site writes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from interp.dictionaries.base import Dictionary
from interp.dictionaries.board import Boards, BoardScore, board_score, claims_score
from interp.dictionaries.traffic import Replacement, refuse_misfits, replaced, stand_in, traffic
from interp.othello.evaluate import Batch, batches, cross_entropy
from interp.othello.probes import Probes
from interp.othello.transformer import OthelloTransformer

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
    coverage: dict[str, float]
    """Board coverage by site."""
    reconstruction: dict[str, float]
    """Board reconstruction by site."""
    baselines: dict[str, dict[str, dict[str, float]] | None]
    """`random` and `probes`: their coverage and reconstruction by site; None without probes."""


class Rows(NamedTuple):
    """One site over many positions."""

    encoded: Float[Tensor, "position d_in"]
    """What its dictionary encodes."""
    written: Float[Tensor, "position d_in"]
    """What it decodes to."""


@torch.no_grad()
def evaluate_set(
    model: OthelloTransformer,
    dictionaries: Mapping[str, Dictionary],
    *,
    games: int,
    seed: int,
    probes: Probes | None = None,
) -> SetEvaluation:
    """Evaluate every dictionary alone, and all together, on `games` held-out games of stream `seed`.

    Board features are fitted on as many held-out games of stream `seed + 1`. Raises UserError for a set that does not
    fit the model.
    """
    refuse_misfits(model, dictionaries)
    fitting, held_out = (list(batches(games, seed=stream)) for stream in (seed + 1, seed))
    fit, judge = (_rows(model, dictionaries, played) for played in (fitting, held_out))
    base, top1 = _loss_and_legality(model, held_out, {})
    sites = [
        {"site": site, **_fidelity(dictionary, judge[site]), **_losses(model, held_out, site, dictionary, base)}
        for site, dictionary in dictionaries.items()
    ]
    everywhere = {site: stand_in(dictionary) for site, dictionary in dictionaries.items()}
    _, joint = _loss_and_legality(model, held_out, everywhere)

    def by_site(chosen: Mapping[str, Dictionary]) -> dict[str, BoardScore]:
        boards = _boards(fitting), _boards(held_out)
        return {site: _board_score(one, fit[site], boards[0], judge[site], boards[1]) for site, one in chosen.items()}

    generator = torch.Generator().manual_seed(0)
    found = _by_measure(by_site(dictionaries))
    random = by_site({site: randomised(dictionary, generator) for site, dictionary in dictionaries.items()})
    read = None if probes is None else _by_measure(_probe_scores(model, probes, dictionaries, held_out))
    baselines = {"random": _by_measure(random), "probes": read}
    return SetEvaluation(sites, joint, top1, found["coverage"], found["reconstruction"], baselines)


def _losses(
    model: OthelloTransformer, held_out: list[Batch], site: str, dictionary: Dictionary, base: float
) -> dict[str, float]:
    spliced, top1 = _loss_and_legality(model, held_out, {site: stand_in(dictionary)})
    zeroed, _ = _loss_and_legality(model, held_out, {site: lambda _, written: torch.zeros_like(written)})
    recovered = (zeroed - spliced) / (zeroed - base) if zeroed != base else float("nan")
    return {"loss_recovered": recovered, "zero_cost": zeroed - base, "legal_top1": top1}


def _loss_and_legality(
    model: OthelloTransformer, held_out: list[Batch], replacements: Mapping[str, Replacement]
) -> tuple[float, float]:
    losses, legal = [], []
    with replaced(model, replacements):
        for batch in held_out:
            logits = model(batch.tokens)
            losses.append(cross_entropy(logits, batch.targets).double().mean(-1))
            first = batch.targets.gather(-1, logits.argmax(-1, keepdim=True))[..., 0] > 0
            legal.append(first.double().mean(-1))
    return float(torch.cat(losses).mean()), float(torch.cat(legal).mean())


def _rows(model: OthelloTransformer, dictionaries: Mapping[str, Dictionary], held_out: list[Batch]) -> dict[str, Rows]:
    parts: dict[str, list[Rows]] = {site: [] for site in dictionaries}
    for batch in held_out:
        seen = traffic(model, batch.tokens)
        for site, dictionary in dictionaries.items():
            parts[site].append(Rows(seen[site].input_of(dictionary).flatten(0, 1), seen[site].written.flatten(0, 1)))
    return {site: Rows(*(torch.cat(column) for column in zip(*found, strict=True))) for site, found in parts.items()}


def _fidelity(dictionary: Dictionary, rows: Rows) -> dict[str, float]:
    acts, reconstruction = dictionary(rows.encoded)
    error = (rows.written - reconstruction).square().sum().double()
    variance = (rows.written - rows.written.mean(0)).square().sum().double()
    alive = (acts > 0).double().mean(0) > ALIVE
    directions = F.normalize(dictionary.W_dec[alive], dim=-1)
    antipodal = ((directions @ directions.T).amin(1) < ANTIPODAL).double().mean() if alive.any() else torch.zeros(())
    return {
        "l0": float((acts > 0).double().sum(-1).mean()),
        "explained_variance": float(1 - error / variance),
        "norm_ratio": float((reconstruction.norm(dim=-1) / rows.written.norm(dim=-1)).double().mean()),
        "alive": float(alive.double().mean()),
        "antipodal": float(antipodal),
    }


def _board_score(dictionary: Dictionary, fit: Rows, fit_boards: Boards, judge: Rows, boards: Boards) -> BoardScore:
    return board_score(dictionary.encode(fit.encoded), fit_boards, dictionary.encode(judge.encoded), boards)


def randomised(dictionary: Dictionary, generator: torch.Generator) -> Dictionary:
    """A copy with every encoder direction replaced by a random one of the same norm."""
    other = copy.deepcopy(dictionary)
    directions = F.normalize(torch.randn(other.W_enc.shape, generator=generator), dim=0)
    other.W_enc.copy_(directions * other.W_enc.norm(dim=0))
    return other


def _probe_scores(
    model: OthelloTransformer, probes: Probes, sites: Iterable[str], held_out: list[Batch]
) -> dict[str, BoardScore]:
    """What the probes name at the depth after each site's layer."""
    named = torch.cat([probes.read(model, batch.tokens).argmax(-1).flatten(1, 2) for batch in held_out], 1)
    boards = _boards(held_out)
    depths = {site: int(site[1:-1]) + 1 for site in sites}
    by_depth = {
        depth: claims_score(torch.cat([named[depth] == state for state in (0, 1)], -1).numpy(), boards)
        for depth in set(depths.values())
    }
    return {site: by_depth[depth] for site, depth in depths.items()}


def _boards(held_out: list[Batch]) -> Boards:
    parts = [Boards.of(batch.games) for batch in held_out]
    return Boards(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _by_measure(scores: Mapping[str, BoardScore]) -> dict[str, dict[str, float]]:
    return {name: {site: getattr(score, name) for site, score in scores.items()} for name in BoardScore._fields}
