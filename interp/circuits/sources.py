"""Everything written to the residual stream, split into vectors that add up to it exactly.

At each position the stream is token embedding + position embedding + what the sites below wrote. A site with a
dictionary is split further (He et al. 2024, arXiv 2402.12201): x = sum_k c_k d_k + b_dec + error, where the error
node x - x_hat keeps the sum exact; a site without one is a single whole-output node, and so is a position that its
dictionary was not trained on (SAELens' `seqpos_slice`; the first position of a language model is usually one). MLP
transcoders (Dunefsky et al. 2024, arXiv 2406.11944) split the same output by features that read the MLP's normalised
input.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.dictionaries.transcoder import is_transcoder
from interp.models.network import Network
from interp.models.record import Record


class Kind(IntEnum):
    """What a source is."""

    TOKEN = 0
    POSITION = 1
    FEATURE = 2
    ERROR = 3
    OUTPUT = 4
    """The whole output of a site without a dictionary, or where its dictionary does not apply."""
    BIAS = 5
    """The decoder bias of a dictionary."""


GROUPS = {
    "features": (Kind.FEATURE,),
    "embeddings": (Kind.TOKEN, Kind.POSITION),
    "errors": (Kind.ERROR, Kind.OUTPUT),
    "biases": (Kind.BIAS,),
}
"""The four sums that a value is reported as. A whole output is unexplained, so it counts as error."""


class SparseDictionary(Protocol):
    """What tracing needs of a dictionary; those of `interp.dictionaries` have it."""

    @property
    def architecture(self) -> str:
        """SAELens' name of the kind."""
        ...

    @property
    def config(self) -> dict[str, Any]:
        """The content of SAELens' `cfg.json`."""
        ...

    @property
    def W_enc(self) -> Tensor:
        """[d_in, d_sae]."""
        ...

    @property
    def b_enc(self) -> Tensor:
        """[d_sae]."""
        ...

    @property
    def W_dec(self) -> Tensor:
        """[d_sae, d_model]."""
        ...

    @property
    def b_dec(self) -> Tensor:
        """[d_model]."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Activations [*rows, d_sae] of what the dictionary reads."""
        ...


class Sources(NamedTuple):
    """All source vectors of a prompt, sorted by position and then by order of writing."""

    vectors: Float[Tensor, "source d_model"]
    kind: Int[Tensor, " source"]
    order: Int[Tensor, " source"]
    """0 for embeddings, 1 + index of the site otherwise."""
    index: Int[Tensor, " source"]  # type: ignore[assignment]
    """Feature number, -1 for other kinds."""
    position: Int[Tensor, " source"]
    activation: Float[Tensor, " source"]
    """c_k of a feature, NaN for other kinds."""
    starts: np.ndarray
    """[pos, sites + 2]: sources of position p and order < o are `starts[p, 0] : starts[p, o]`."""

    def below(self, position: int, sites_read: int) -> slice:
        """Sources at a position that a module reading the first `sites_read` sites sees."""
        return slice(int(self.starts[position, 0]), int(self.starts[position, sites_read + 1]))


def split(network: Network, record: Record, dictionaries: Mapping[str, SparseDictionary]) -> Sources:
    """Split the residual stream of a prompt."""
    pos = len(record.tokens)
    parts = [_whole(record.token_embedding, Kind.TOKEN, 0)]
    if network.positions is not None:
        parts.append(_whole(record.position_embedding, Kind.POSITION, 0))
    for order, site in enumerate(network.sites, start=1):
        if site in dictionaries:
            parts += _split_site(dictionaries[site], site, record, order)
        else:
            parts.append(_whole(record.output(site), Kind.OUTPUT, order))
    joined = [torch.cat(column) for column in zip(*parts, strict=True)]
    by_place = torch.from_numpy(np.lexsort((joined[2].cpu().numpy(), joined[4].cpu().numpy())))
    vectors, kind, order_of, index, position, activation = (column[by_place.to(column.device)] for column in joined)
    places = (position * (len(network.sites) + 2) + order_of).cpu().numpy()
    wanted = np.arange(pos)[:, None] * (len(network.sites) + 2) + np.arange(len(network.sites) + 2)
    starts = np.searchsorted(places, wanted)
    return Sources(vectors, kind, order_of, index, position, activation, starts)


def activations(dictionary: SparseDictionary, site: str, record: Record) -> Float[Tensor, "pos d_sae"]:
    """Activations of a site's dictionary, in the record's precision; zero where it does not apply."""
    reads = dictionary_input(dictionary, site, record)
    with torch.no_grad():
        acts = dictionary.encode(reads.to(dictionary.W_enc.dtype)).to(reads.dtype)
    return acts * applies(dictionary, record.tokens)[:, None]


def applies(dictionary: SparseDictionary, tokens: Int[Tensor, " pos"]) -> Bool[Tensor, " pos"]:
    """Whether a dictionary was trained on each position (SAELens' `seqpos_slice`)."""
    bounds = (dictionary.config.get("metadata") or {}).get("seqpos_slice") or [None]
    inside = torch.zeros_like(tokens, dtype=torch.bool)
    inside[slice(*bounds)] = True
    return inside


def dictionary_input(dictionary: SparseDictionary, site: str, record: Record) -> Float[Tensor, "*batch pos d_model"]:
    """What a site's dictionary reads: the site's output, or for a transcoder the MLP's normalised input."""
    return record.layers[int(site[1:-1])].mlp_normed if is_transcoder(dictionary.architecture) else record.output(site)


def centres_input(dictionary: SparseDictionary) -> bool:
    """Whether the decoder bias is subtracted before encoding (SAELens' `apply_b_dec_to_input`)."""
    return bool(dictionary.config["apply_b_dec_to_input"])


_Part = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def _whole(vectors: Tensor, kind: Kind, order: int) -> _Part:
    """One source a position."""
    position = torch.arange(len(vectors), device=vectors.device)
    index = torch.full_like(position, -1)
    return _part(vectors, kind, order, index, position, vectors.new_full((len(vectors),), float("nan")))


def _part(vectors: Tensor, kind: Kind, order: int, index: Tensor, position: Tensor, activation: Tensor) -> _Part:
    return vectors, torch.full_like(position, kind), torch.full_like(position, order), index, position, activation


def _split_site(dictionary: SparseDictionary, site: str, record: Record, order: int) -> list[_Part]:
    acts, output = activations(dictionary, site, record), record.output(site)
    position, index = acts.nonzero(as_tuple=True)
    active = acts[position, index]
    features = active[:, None] * dictionary.W_dec.detach().to(output.dtype)[index]
    inside = applies(dictionary, record.tokens)
    bias = inside[:, None] * dictionary.b_dec.detach().to(output.dtype)
    error = (output - bias).index_add(0, position, features, alpha=-1)
    return [
        _part(features, Kind.FEATURE, order, index, position, active),
        _at(inside, _whole(error, Kind.ERROR, order)),
        _at(~inside, _whole(output, Kind.OUTPUT, order)),
        _at(inside, _whole(bias, Kind.BIAS, order)),
    ]


def _at(positions: Tensor, part: _Part) -> _Part:
    """Some positions of a part that has one source a position."""
    vectors, kind, order, index, position, activation = (column[positions] for column in part)
    return vectors, kind, order, index, position, activation
