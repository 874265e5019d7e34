"""What the heads of each layer read and where they attend, a layer at a time.

Nothing is kept: a visitor sees one layer's input and attention patterns and takes what it wants, so that memory holds
one layer's patterns whatever the model's depth. From the residual stream this happens inside one forward pass of the
model, which ends at the last layer's attention: its MLP and the unembedding never run. From the embeddings no pass is
needed.

The normalised input is recomputed from the stream, since the hook behind the norm leaves out its weight in some
architectures; the self-check at load has compared patterns made from exactly this input with the model's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.index.options import Source
from interp.models.language_traffic import Enough, Hook, language_traffic, run_hooked
from interp.models.network import Layer, Network, causal_softmax

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

    from interp.models.bridge import LanguageModel


class LayerReading(NamedTuple):
    """One layer's attention over a batch."""

    layer: int
    x: Float[Tensor, "batch pos d_model"]
    """The attention's input, normalised: what queries, keys and values are made from."""
    pattern: Float[Tensor, "batch head query key"]


Visitor = Callable[[LayerReading], None]
"""Called once a layer; the tensors are the reader's own and must not be changed."""


class LayerReader(ABC):
    """Shows a model's layers, one after the other, for a batch of right-padded token ids."""

    def __init__(self, network: Network) -> None:
        self.network = network

    @abstractmethod
    def visit(self, tokens: Int[Tensor, "batch pos"], visitor: Visitor) -> None:
        """Show every layer's reading of `tokens`, from the first layer to the last."""

    @abstractmethod
    def final_scales(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """The final norm's scale at each position."""


class EmbeddingReader(LayerReader):
    """Every layer reads the token embeddings, without position: no rotation, no learned positions, no forward pass."""

    @torch.no_grad()
    def visit(self, tokens: Int[Tensor, "batch pos"], visitor: Visitor) -> None:
        """Show every layer's reading of the embeddings."""
        embedded = self.network.embedding[tokens]
        for index, layer in enumerate(self.network.layers):
            x, attention = _normalised(layer, embedded), layer.attention
            scores = attention.queries(x) @ attention.keys(x).mT * attention.scale
            visitor(LayerReading(index, x, causal_softmax(scores)))

    @torch.no_grad()
    def final_scales(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """As if the embeddings were the final stream, which they are in a model without layers."""
        return self.network.norm_final.scale(self.network.embedding[tokens])


class ResidualReader(LayerReader):
    """Every layer reads the residual stream of a forward pass of the model."""

    def __init__(self, bridge: TransformerBridge, network: Network) -> None:
        super().__init__(network)
        self.bridge = bridge

    @torch.no_grad()
    def visit(self, tokens: Int[Tensor, "batch pos"], visitor: Visitor) -> None:
        """Show every layer's reading from inside one forward pass."""
        streams: list[Tensor] = []
        last = len(self.network.layers) - 1

        def keep(stream: Tensor, hook: Any) -> None:
            streams[:] = [stream]

        def show(index: int) -> Hook:
            def hook(pattern: Tensor, hook: Any) -> None:
                visitor(LayerReading(index, _normalised(self.network.layers[index], streams.pop()), pattern))
                if index == last:
                    raise Enough

            return hook

        hooks: list[tuple[str, Hook]] = []
        for index in range(last + 1):
            hooks += [(f"blocks.{index}.hook_resid_pre", keep), (f"blocks.{index}.attn.hook_pattern", show(index))]
        run_hooked(self.bridge, tokens, hooks)

    def final_scales(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
        """In the model's own final stream: one forward pass."""
        last = f"blocks.{len(self.network.layers) - 1}.hook_resid_post"
        return self.network.norm_final.scale(language_traffic(self.bridge, tokens, [last])[last])


def layer_reader(model: LanguageModel, source: Source) -> LayerReader:
    """The reader for a source (see `interp.heads.index.options.IndexOptions`)."""
    network = Network.from_bridge(model.bridge)
    return EmbeddingReader(network) if source == "embed" else ResidualReader(model.bridge, network)


def _normalised(layer: Layer, stream: Tensor) -> Tensor:
    norm = layer.norm_attention
    return norm.linear(stream, norm.scale(stream)) + norm.bias
