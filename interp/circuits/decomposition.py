"""A prompt ready for tracing: the network, its record, the dictionaries and the sources they give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from interp.circuits.sources import Sources, SparseDictionary, split
from interp.models.network import Network
from interp.models.record import Record
from interp.runs.errors import UserError


class Decomposition(NamedTuple):
    """Everything that attribution reads; nothing in it changes."""

    network: Network
    dictionaries: Mapping[str, SparseDictionary]
    """By site name; sites may lack one."""
    record: Record
    sources: Sources


@torch.no_grad()
def decompose(network: Network, dictionaries: Mapping[str, SparseDictionary], tokens: Int[Tensor, " pos"]) -> Decomposition:
    """Run one prompt and split its residual stream.

    Raises UserError for sites or widths that do not fit the network, and for more tokens than it has positions.
    """
    check_fit(network, dictionaries)
    if network.positions is not None and len(tokens) > len(network.positions):
        raise UserError(f"the input has {len(tokens)} tokens; this model has {len(network.positions)} positions")
    record = network.run(tokens)
    return Decomposition(network, dictionaries, record, split(network, record, dictionaries))


def check_fit(network: Network, dictionaries: Mapping[str, SparseDictionary]) -> None:
    """Raise UserError unless every dictionary belongs to a site of the network and has its width."""
    d_model = network.embedding.shape[1]
    for site, dictionary in dictionaries.items():
        if site not in network.sites:
            raise UserError(f"dictionary '{site}' fits no site of this model; its sites are L0A .. {network.sites[-1]}")
        reads, writes = dictionary.W_enc.shape[0], dictionary.W_dec.shape[1]
        if (reads, writes) != (d_model, d_model):
            raise UserError(f"dictionary '{site}' reads {reads} and writes {writes} dimensions; this model has {d_model}")
