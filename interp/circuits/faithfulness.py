"""Faithfulness curves: how much of a target survives when only the n strongest nodes of its circuit are kept.

A real forward pass in which every dictionary re-encodes what its site now writes; features outside the circuit are set
to a baseline (zero, or their mean activation), errors and whole outputs outside it to zero. Features that are off in
the prompt are no nodes and stay off. Embeddings and decoder biases stay. With every node kept the pass is the model's
own, so the curve ends at one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.circuits.decomposition import Decomposition
from interp.circuits.interventions import value_in
from interp.circuits.sources import Kind, applies
from interp.circuits.targets import Target
from interp.dictionaries.transcoder import is_transcoder
from interp.models.network import Edits
from interp.runs.errors import UserError


class FaithfulnessPoint(NamedTuple):
    """One point of a curve."""

    kept: int
    """Nodes kept."""
    value: float
    """The target's value then."""
    fraction: float
    """(value - value with nothing kept) / (true value - value with nothing kept)."""


@torch.no_grad()
def faithfulness(
    d: Decomposition,
    target: Target,
    ranking: Int[Tensor, " node"],
    counts: Sequence[int],
    *,
    means: Mapping[str, Float[Tensor, " d_sae"]] | None = None,
) -> list[FaithfulnessPoint]:
    """Keep the first n sources of `ranking` for each n of `counts`; `means` gives the baseline activations.

    Raises UserError for transcoders, whose features are not read from what the site writes.
    """
    for site, dictionary in d.dictionaries.items():
        if is_transcoder(dictionary.architecture):
            raise UserError(f"faithfulness curves need dictionaries of outputs; {site} has a transcoder")
    means = means or {}
    true, empty = (float(value_in(d, d.record, target)), _value_with(d, target, ranking[:0], means))
    values = [_value_with(d, target, ranking[:count], means) for count in counts]
    return [
        FaithfulnessPoint(count, value, (value - empty) / (true - empty) if true != empty else 1.0)
        for count, value in zip(counts, values, strict=True)
    ]


def _value_with(d: Decomposition, target: Target, kept: Tensor, means: Mapping[str, Tensor]) -> float:
    maps = {site: _restricted(d, site, kept, means.get(site)) for site in d.network.sites}
    return float(value_in(d, d.network.run(d.record.tokens, Edits(maps)), target))


def _restricted(d: Decomposition, site: str, kept: Tensor, mean: Tensor | None) -> Callable[[Tensor], Tensor]:
    """What a site writes when only its kept nodes act."""
    table, order = d.sources, d.network.sites.index(site) + 1
    here = kept[table.order[kept] == order]
    pos, dtype = len(d.record.tokens), d.record.resid_final.dtype
    whole = torch.zeros(pos, 1, dtype=dtype, device=kept.device)
    whole[table.position[here[(table.kind[here] == Kind.ERROR) | (table.kind[here] == Kind.OUTPUT)]]] = 1
    if site not in d.dictionaries:
        return lambda written: written * whole
    dictionary = d.dictionaries[site]
    features = here[table.kind[here] == Kind.FEATURE]
    mask = torch.zeros(pos, dictionary.W_dec.shape[0], dtype=torch.bool, device=kept.device)
    mask[table.position[features], table.index[features]] = True
    W_dec, b_dec = dictionary.W_dec.detach().to(dtype), dictionary.b_dec.detach().to(dtype)
    inside = applies(dictionary, d.record.tokens)[:, None]
    on = (table.order == order) & (table.kind == Kind.FEATURE)
    baseline = torch.zeros(mask.shape, dtype=dtype, device=kept.device)
    if mean is not None:
        baseline[table.position[on], table.index[on]] = mean.to(dtype)[table.index[on]]

    def write(written: Tensor) -> Tensor:
        acts = inside * dictionary.encode(written.to(dictionary.W_enc.dtype)).to(dtype)
        error = written - acts @ W_dec - inside * b_dec
        return torch.where(mask, acts, baseline) @ W_dec + inside * b_dec + error * whole

    return write
