"""How well a transformer knows the rules: legality of its first choice and probability on legal moves.

Positions are those after plies 1 .. 59 of unseen random games; each is also reported by ply, since openings are
nearly memorised and say little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.othello.games import POSITIONS, Games, random_games, tokens, uniform_targets

Logits = Callable[[Tensor], Tensor]


class Batch(NamedTuple):
    """Games as the transformer sees them."""

    tokens: Int[Tensor, "games 59"]
    targets: Float[Tensor, "games 59 d_vocab"]
    """Uniform over the legal next moves."""
    games: Games


class Legality(NamedTuple):
    """Legality over unseen games."""

    legal_top1: float
    """Share of positions whose most likely move is legal."""
    legal_mass: float
    """Mean probability on legal moves."""
    cross_entropy: float
    """Mean cross-entropy in nats against the uniform distribution over the legal moves."""
    floor: float
    """The least cross-entropy possible: the entropy of that distribution."""
    by_ply: list[dict[str, float]]
    """`ply`, `legal_top1`, `legal_mass` after each ply 1 .. 59."""
    games: int


def batches(count: int, *, seed: int, size: int = 100, device: torch.device | str = "cpu") -> Iterator[Batch]:
    """`count` held-out games in batches."""
    for first in range(0, count, size):
        yield batch_of(random_games(min(size, count - first), seed=seed, first=first, split="test"), device)


def batch_of(games: Games, device: torch.device | str = "cpu", vocabulary: int = 61) -> Batch:
    """Inputs and exact targets of the positions after plies 1 .. 59."""
    inputs = torch.from_numpy(tokens(games.moves[:, :POSITIONS])).to(device)
    targets = torch.from_numpy(uniform_targets(games.legal[:, :POSITIONS], vocabulary)).to(device)
    return Batch(inputs, targets, games)


def cross_entropy(
    logits: Float[Tensor, "*batch d_vocab"], targets: Float[Tensor, "*batch d_vocab"]
) -> Float[Tensor, "*batch"]:
    """Cross-entropy in nats against a whole distribution."""
    return torch.logsumexp(logits, -1) * targets.sum(-1) - (logits * targets).sum(-1)


@torch.no_grad()
def evaluate(logits_of: Logits, *, games: int, seed: int, device: torch.device | str = "cpu") -> Legality:
    """Legality of `logits_of` (tokens -> logits) on `games` held-out games."""
    top1, mass, losses, floors = [], [], [], []
    for batch in batches(games, seed=seed, device=device):
        logits = logits_of(batch.tokens)
        legal = batch.targets > 0
        top1.append(legal.gather(-1, logits.argmax(-1, keepdim=True))[..., 0].double().cpu())
        mass.append((logits.softmax(-1) * legal).sum(-1).double().cpu())
        losses.append(cross_entropy(logits, batch.targets).double().mean(-1).cpu())
        floors.append(legal.sum(-1).double().log().mean(-1).cpu())
    per_ply = torch.stack([torch.cat(top1).mean(0), torch.cat(mass).mean(0)]).numpy()
    by_ply = [
        {"ply": ply, "legal_top1": float(top), "legal_mass": float(legal_mass)}
        for ply, (top, legal_mass) in enumerate(per_ply.T, start=1)
    ]
    top1_mean, mass_mean, loss, floor = (float(torch.cat(values).mean()) for values in (top1, mass, losses, floors))
    return Legality(top1_mean, mass_mean, loss, floor, by_ply, games)
