"""The worked circuits of He et al. 2024 (arXiv 2402.12201), found by search on any trained model and dictionaries.

Feature numbers differ with every training run, so each circuit is defined by what it does: a legal move's logit that
the last MLP's features carry; an early MLP feature that fires when a square is flipped; an attention feature to which
tokens at odd and even distance contribute with opposite signs (a disc that is mine now was theirs a move ago); heads
whose score of two positions alternates with the parity of their distance. The search scores are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from interp.circuits.attribution import attribute, contributions
from interp.circuits.decomposition import Decomposition, decompose
from interp.circuits.readouts import feature_readouts
from interp.circuits.sources import Kind, SparseDictionary, activations
from interp.circuits.targets import FeatureTarget, LogitTarget
from interp.dictionaries.labels import THRESHOLDS
from interp.models.network import Network
from interp.othello.games import Games, tokens, unpack
from interp.othello.notation import TOKEN_OF_SQUARE
from interp.runs.errors import UserError


class LegalityLogit(NamedTuple):
    """A legal move's logit and what carries it."""

    target: LogitTarget
    value: float
    """Logit minus the mean over tiles."""
    from_last_mlp: float
    """Part that features of the last MLP contribute."""


class FlipFeature(NamedTuple):
    """A feature as a detector of flips of one square."""

    feature: int
    square: int
    f1: float
    precision: float
    recall: float
    threshold: float
    """Share of its maximum above which the feature counts as firing."""


class Alternation(NamedTuple):
    """Feature contributions to an attention feature by the parity of the distance."""

    target: FeatureTarget
    even: float
    """Sum over even distances, zero included."""
    odd: float

    @property
    def score(self) -> float:
        """The smaller of the two magnitudes if the signs oppose, else zero."""
        return min(abs(self.even), abs(self.odd)) if self.even * self.odd < 0 else 0.0


class Worked(NamedTuple):
    """The best of each kind that a search found."""

    legality: LegalityLogit
    flip: FlipFeature
    flip_site: str
    alternation: Alternation
    parity: list[tuple[int, int, float]]
    """Layer, head and contrast (`positional_parity`) of the heads with the largest contrasts."""


@torch.no_grad()
def worked_circuits(
    network: Network, dictionaries: Mapping[str, SparseDictionary], games: Games, *, ply: int = 30, heads: int = 5
) -> Worked:
    """All four: flips over all games in the MLPs of the lower half, the rest in the first game after `ply` moves.

    Raises UserError if the dictionaries lack the MLPs of the lower half or all attention sites.
    """
    half = [site for site in network.sites[: len(network.sites) // 2] if site.endswith("M") and site in dictionaries]
    attention = [site for site in network.sites if site.endswith("A") and site in dictionaries]
    if not half or not attention:
        raise UserError("the search needs dictionaries of MLPs of the lower half, and of attention outputs")
    d = decompose(network, dictionaries, torch.as_tensor(tokens(games.moves))[0, :ply])
    legal = TOKEN_OF_SQUARE[unpack(games.legal)[0, ply - 1].nonzero()[0]].tolist()
    flips = [(flip_features(network, dictionaries[site], site, games, count=1)[0], site) for site in half]
    alternating = [found for site in attention for found in alternations(d, site)]
    contrast = positional_parity(d)
    places = contrast.abs().flatten().topk(heads).indices.tolist()
    parity = [(*divmod(place, contrast.shape[1]), float(contrast.flatten()[place])) for place in places]
    best = max(flips, key=lambda pair: pair[0].f1)
    return Worked(legality_logit(d, legal), *best, max(alternating, key=lambda found: found.score), parity)


@torch.no_grad()
def legality_logit(d: Decomposition, legal: Sequence[int]) -> LegalityLogit:
    """The legal token after the last position whose logit, minus the mean over tiles, owes most to the last MLP."""
    last, tiles = len(d.record.tokens) - 1, tuple(range(60))
    last_mlp = (d.sources.kind == Kind.FEATURE) & (d.sources.order == len(d.network.sites))
    found = []
    for token in legal:
        row = attribute(d, LogitTarget(token, last, minus_mean_of=tiles))
        carried = float(row.contributions.double()[last_mlp].sum())
        found.append(LegalityLogit(LogitTarget(token, last, minus_mean_of=tiles), row.value, carried))
    return max(found, key=lambda logit: logit.from_last_mlp)


@torch.no_grad()
def flip_features(
    network: Network, dictionary: SparseDictionary, site: str, games: Games, *, count: int = 10
) -> list[FlipFeature]:
    """The features of a site that best say that a square was flipped by the move just made, by F1.

    A feature fires above a share of its maximum over `games`, the best of `interp.dictionaries.labels.THRESHOLDS`. One
    feature a square, best first; squares never flipped in `games` are left out.
    """
    runs = [network.run(torch.as_tensor(moves)) for moves in tokens(games.moves)]
    acts = torch.cat([activations(dictionary, site, record).float() for record in runs])
    truth = torch.as_tensor(unpack(games.flipped)).flatten(0, 1).float()
    both, fired = [], []
    for share in THRESHOLDS.tolist():
        on = (acts > share * acts.amax(0)).float()
        both.append(on.T @ truth)
        fired.append(on.sum(0))
    hits, firings, flips = torch.stack(both), torch.stack(fired)[..., None], truth.sum(0)
    f1 = 2 * hits / (firings + flips).clamp_min(1)
    best = f1.flatten(0, 1).max(0)
    found = []
    for square in best.values.masked_fill(flips == 0, -1).topk(min(count, int((flips > 0).sum()))).indices.tolist():
        threshold, feature = divmod(int(best.indices[square]), acts.shape[1])
        hit = float(hits[threshold, feature, square])
        found.append(
            FlipFeature(
                feature,
                square,
                float(best.values[square]),
                hit / max(float(firings[threshold, feature, 0]), 1),
                hit / float(flips[square]),
                float(THRESHOLDS[threshold]),
            )
        )
    return found


@torch.no_grad()
def alternations(d: Decomposition, site: str) -> list[Alternation]:
    """The active features of an attention site at the last position, the most alternating first."""
    table, last = d.sources, len(d.record.tokens) - 1
    order = d.network.sites.index(site) + 1
    active = table.index[(table.kind == Kind.FEATURE) & (table.order == order) & (table.position == last)].tolist()
    if not active:
        return []
    targets = [FeatureTarget(site, index, last) for index in active]
    rows = contributions(d, feature_readouts(d, targets)).double() * (table.kind == Kind.FEATURE)
    odd = ((last - table.position) % 2).double()
    pairs = zip(targets, (rows @ (1 - odd)).tolist(), (rows @ odd).tolist(), strict=True)
    return sorted((Alternation(*pair) for pair in pairs), key=lambda found: -found.score)


@torch.no_grad()
def positional_parity(d: Decomposition) -> Float[Tensor, "layer head"]:
    """How the position x position part of each head's scores alternates with distance.

    Mean over odd distances minus mean over even ones, over query > key, in standard deviations: positive heads look at
    positions of the other player's turn, negative ones at the same player's.
    """
    pos, positions = len(d.record.tokens), d.record.position_embedding
    below = torch.ones(pos, pos, dtype=torch.bool, device=positions.device).tril(-1)
    distance = torch.arange(pos, device=positions.device)[:, None] - torch.arange(pos, device=positions.device)
    odd, even = below & (distance % 2 == 1), below & (distance % 2 == 0)
    contrasts = []
    for layer, record in zip(d.network.layers, d.record.layers, strict=True):
        attention = layer.attention
        normed = layer.norm_attention.linear(positions, record.attention_scale)
        query, key = normed @ attention.W_Q, (normed @ attention.W_K)[attention.kv_of_head]
        scores = attention.rotate(query) @ attention.rotate(key).mT * attention.scale
        spread = scores[:, below].std(-1).clamp_min(1e-12)
        contrasts.append((scores[:, odd].mean(-1) - scores[:, even].mean(-1)) / spread)
    return torch.stack(contrasts)
