"""Random small decompositions: networks of every variant with dictionaries, transcoders, or none at their sites."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from interp.circuits.decomposition import Decomposition, decompose
from interp.models.network import Network
from interp.models.random_network import NetworkShape

SHAPES = st.builds(
    NetworkShape,
    n_layers=st.just(2),
    n_kv_heads=st.sampled_from([1, 2, 4]),
    centred=st.booleans(),
    rotary=st.sampled_from([0, 2, 4]),
    gated=st.booleans(),
    act=st.sampled_from(["relu", "silu", "gelu", "gelu_tanh"]),
    biases=st.booleans(),
    parallel=st.booleans(),
)
LAYOUTS = st.tuples(*[st.sampled_from(["plain", "centred", "none"]), st.sampled_from(["plain", "transcoder", "none"])] * 2)
SEEDS = st.integers(0, 2**31)


class RandomDictionary:
    """What tracing needs of a dictionary, with random weights."""

    def __init__(self, kind: str, d_model: int, generator: torch.Generator, skipped: int = 0) -> None:
        def draw(*size: int) -> Tensor:
            return torch.randn(*size, generator=generator) / size[-1] ** 0.5

        self.W_enc, self.b_enc, self.W_dec, self.b_dec = draw(d_model, 20), draw(20), draw(20, d_model), draw(d_model)
        self.architecture = "transcoder" if kind == "transcoder" else "standard"
        self.config = {"apply_b_dec_to_input": kind == "centred", "metadata": {"seqpos_slice": [skipped, None]}}

    def encode(self, x: Tensor) -> Tensor:
        """ReLU features."""
        centre = self.b_dec if self.config["apply_b_dec_to_input"] else 0
        return ((x - centre) @ self.W_enc + self.b_enc).relu()


def random_decomposition(
    shape: NetworkShape,
    layout: tuple[str, ...],
    seed: int,
    *,
    length: int = 6,
    dtype: torch.dtype = torch.float32,
    skipped: int = 0,
) -> Decomposition:
    """A random prompt of a random network; `layout` names the kind of dictionary at each site in order.

    The dictionaries do not apply to the first `skipped` positions.
    """
    generator = torch.Generator().manual_seed(seed)
    network = Network.random(shape, generator).to(dtype)
    dictionaries = {
        site: RandomDictionary(kind, shape.d_model, generator, skipped)
        for site, kind in zip(network.sites, layout, strict=True)
        if kind != "none"
    }
    return decompose(network, dictionaries, torch.randint(0, shape.d_vocab, (length,), generator=generator))
