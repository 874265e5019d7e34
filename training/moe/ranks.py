"""Ranks, the GPUs of an expert-parallel group: experts are divided among them, and tokens are dealt to them in order."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor
from torch.nn.functional import pad

from interp.runs.errors import UserError


def check_ranks(experts: int, ranks: int) -> None:
    """Raises UserError for experts that cannot be divided among the ranks."""
    if experts < 1 or ranks < 1 or experts % ranks:
        told = f"{experts} experts cannot be divided among {ranks} ranks"
        raise UserError(f"{told}; accepted is a multiple of the ranks")


def dealt(values: Shaped[Tensor, " every *rest"], ranks: int, filler: float = 0) -> Shaped[Tensor, "rank token *rest"]:
    """All tokens' values by rank; the last rank is filled up where tokens cannot be divided."""
    short = -len(values) % ranks
    return pad(values, (*(0, 0) * (values.ndim - 1), 0, short), value=filler).unflatten(0, (ranks, -1))
