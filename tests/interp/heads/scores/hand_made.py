"""An attention-only network set by hand, each of whose four heads does one thing and nothing else."""

from __future__ import annotations

import torch

from interp.models.network import MLP, Attention, Layer, Network, Norm

VOCAB, POSITIONS = 45, 42
PREVIOUS, COPIER = (0, 0), (0, 1)
"""Attends to position j - 1 and says so; attends to itself and raises its own token."""
INDUCER, DUPLICATOR = (1, 0), (1, 1)
"""Attends to what followed this token before, and raises it; attends to this token wherever it stands."""
_TOKEN, _BEFORE, _PLACE = slice(0, VOCAB), slice(VOCAB, 2 * VOCAB), slice(2 * VOCAB, 2 * VOCAB + POSITIONS)
_D_MODEL, _SHARP, _LOUD = 2 * VOCAB + POSITIONS, 12.0, 20.0


def network() -> Network:
    """One-hot tokens, one-hot positions, and a subspace for the token before; float64."""
    embedding = _identity(VOCAB, _TOKEN).double()
    first = _attention(
        (_shifted(), _identity(POSITIONS, _PLACE), _identity(VOCAB, _TOKEN), _identity(VOCAB, _BEFORE)),
        (_identity(POSITIONS, _PLACE), _identity(POSITIONS, _PLACE), _identity(VOCAB, _TOKEN), _identity(VOCAB, _TOKEN)),
    )
    token = _identity(VOCAB, _TOKEN)
    second = _attention((token, _identity(VOCAB, _BEFORE), token, token), (token, token, token, 0 * token))
    layers = tuple(Layer(_norm(), one, _norm(), _silent()) for one in (first, second))
    positions = _identity(POSITIONS, _PLACE)
    network = Network(embedding, positions, layers, _norm(), embedding.T, torch.zeros(VOCAB))
    return network.to(torch.float64)


def _identity(count: int, place: slice) -> torch.Tensor:
    """Row r has a one in dimension place.start + r."""
    return torch.eye(_D_MODEL)[place][:count]


def _shifted() -> torch.Tensor:
    """As positions, but position p reads as p - 1."""
    return torch.cat([_identity(POSITIONS, _PLACE)[1:], torch.zeros(1, _D_MODEL)])


def _attention(*heads: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]) -> Attention:
    """What each head's query, key and value read and what it writes, a row a dimension of the head."""

    def stacked(part: int, factor: float = 1.0) -> torch.Tensor:
        padded = [torch.cat([head[part], torch.zeros(max(VOCAB, POSITIONS) - len(head[part]), _D_MODEL)]) for head in heads]
        return torch.stack(padded) * factor

    W_Q, W_K, W_V, W_O = stacked(0, _SHARP).mT, stacked(1).mT, stacked(2).mT, stacked(3, _LOUD)
    b = torch.zeros(len(heads), max(VOCAB, POSITIONS))
    return Attention(W_Q, W_K, W_V, W_O, b, b, b, torch.zeros(_D_MODEL), 1.0)


def _norm() -> Norm:
    return Norm(torch.ones(_D_MODEL), torch.zeros(_D_MODEL), 1e-5, centred=False)


def _silent() -> MLP:
    return MLP(torch.zeros(_D_MODEL, 1), torch.zeros(1), torch.zeros(1, _D_MODEL), torch.zeros(_D_MODEL), "relu")
