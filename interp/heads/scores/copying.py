"""Copying and attention scores of every head on random sequences, the baseline of semantic induction heads.

| score | what is averaged, over positions j and then over sequences |
|---|---|
| copying | share of what the head raises at j that falls on the token it attends to most (Bansal et al. 2022, arXiv 2212.09095): steps 3 to 5 of the relation index (arXiv 2402.13055, section 3) with that token as the tail |
| prefix_matching | attention to the tokens after *all* earlier occurrences of the token at j (Bansal et al., after Olsson et al. 2022, arXiv 2209.11895) |
| induction | attention to the token after its *latest* earlier occurrence (Olsson et al.) |
| duplicate_token | attention to its earlier occurrences (Wang et al. 2022, arXiv 2211.00593) |
| previous_token | attention to position j - 1 (Elhage et al. 2021, transformer-circuits.pub) |

Copying is measured where no token occurs twice, the others where a sequence stands four times, in the model's own forward
pass. As in the code of Bansal et al., copying lets every layer read the embeddings with their positions and takes the value
of the token at j; the residual stream and the attended token are options. The context cancels the vocabulary's softmax
(`interp.heads.index.kernels`). One position differs from their code: at the end of a repeat they count the very first token
among those that follow an occurrence, which it does not.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from numba import njit
from torch import Tensor

from interp.heads.index.kernels import raised
from interp.heads.index.layers import EmbeddingReader, LayerReader, LayerReading, ResidualReader, Visitor
from interp.heads.index.options import OvToken, Source
from interp.heads.scores.random_sequences import RandomSequence, SequenceOptions, random_sequences, token_pool
from interp.models.network import Network, causal_softmax
from interp.runs.progress import Progress

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

DEFAULT = SequenceOptions()
ATTENTION_SCORES = ("prefix_matching", "previous_token", "duplicate_token", "induction")


class HeadScores(NamedTuple):
    """Scores of all heads, and on what."""

    heads: pd.DataFrame
    """See `score_heads`."""
    tokens: str
    """Which tokens the sequences were drawn from."""


def copying_scores(
    model: LanguageModel,
    options: SequenceOptions = DEFAULT,
    *,
    source: Source = "embed",
    ov_token: OvToken = "current",
    progress: bool = True,
) -> HeadScores:
    """Score every head of a model.

    Args:
        source, ov_token: what copying is measured on: see `interp.heads.index.options.IndexOptions`.

    Raises:
        UserError: if the tokenizer or the model's context is too small for the sequences.
    """
    network = Network.from_bridge(model.bridge)
    pool = token_pool(model.tokenizer, len(network.embedding))
    sequences = random_sequences(model.tokenizer, pool, options, model.bridge.cfg.n_ctx)
    stream = ResidualReader(model.bridge, network)
    written = PositionedEmbeddingReader(network) if source == "embed" else stream
    heads = score_heads(stream, written, sequences, ov_token=ov_token, progress=progress)
    return HeadScores(heads, pool.described)


class PositionedEmbeddingReader(EmbeddingReader):
    """Every layer reads the token embeddings with the model's positions, learned or rotary."""

    @torch.no_grad()
    def visit(self, tokens: Int[Tensor, "batch pos"], visitor: Visitor) -> None:
        """Show every layer's reading of the embeddings."""
        stream, learned = self.network.embedding[tokens], self.network.positions
        stream = stream if learned is None else stream + learned[: tokens.shape[1]]
        for index, layer in enumerate(self.network.layers):
            norm, attention = layer.norm_attention, layer.attention
            x = norm.linear(stream, norm.scale(stream)) + norm.bias
            queries, keys = attention.rotate(attention.queries(x)), attention.rotate(attention.keys(x))
            visitor(LayerReading(index, x, causal_softmax(queries @ keys.mT * attention.scale)))


def score_heads(
    attention: LayerReader,
    written: LayerReader,
    sequences: Sequence[RandomSequence],
    *,
    ov_token: OvToken = "current",
    progress: bool = False,
) -> pd.DataFrame:
    """Scores of every head: those of attention from one reader, copying from another.

    Returns columns layer, head, copying, prefix_matching, previous_token, duplicate_token, induction (all 0 to 1),
    sequences, copying_events (positions j), repeated_events (positions j that have an earlier occurrence).
    """
    found: list[Float[np.ndarray, "score layer head"]] = []
    total = sum(len(one.unique) for one in sequences)
    with Progress(total, unit="tokens", label="copying scores", enabled=progress) as told:
        for one in sequences:
            shares = copied_shares(written, one, ov_token)
            found.append(np.concatenate([shares[None], attention_scores(attention, one)]))
            told.advance(len(one.unique))
    scores = np.mean(found, axis=0)
    layer, head = np.indices(scores.shape[1:]).reshape(2, -1)
    columns: dict[str, Any] = {"layer": layer, "head": head}
    columns |= dict(zip(("copying", *ATTENTION_SCORES), scores.reshape(len(scores), -1), strict=True))
    copying = sum(len(one.unique) - 1 for one in sequences)
    repeated = sum(len(one.repeated) - one.period - one.begins for one in sequences)
    counts = {"sequences": len(sequences), "copying_events": copying, "repeated_events": repeated}
    return pd.DataFrame(columns | counts)


def copied_shares(
    reader: LayerReader, sequence: RandomSequence, ov_token: OvToken = "current"
) -> Float[np.ndarray, "layer head"]:
    """Mean share of the raised that falls on the most attended token; a head that raises nothing copies nothing.

    The first position, whose context is one token, is left out.
    """
    network = reader.network
    tokens = sequence.unique.to(network.embedding.device)
    columns, bias = network.unembedding[:, tokens], network.unembedding_bias[tokens]

    def measure(reading: LayerReading) -> Float[np.ndarray, " head"]:
        attention, pattern = network.layers[reading.layer].attention, reading.pattern[0]
        key, values = pattern.argmax(-1), attention.values(reading.x[0])
        if ov_token == "mixed":
            values = pattern @ values
        logits = values @ (attention.W_O @ columns) + (attention.b_O @ columns + bias)
        if ov_token == "attended":
            logits = logits.take_along_dim(key[..., None], 1)
        return _shares_on(logits.cpu().numpy(), key.cpu().numpy())

    return _by_layer(reader, tokens[None], measure)


@njit(cache=True)
def _shares_on(logits, key):
    """Mean over positions j > 0 of the share of logits[head, j, : j + 1] on key[head, j]; all tokens are distinct."""
    heads, width = key.shape
    found, buffer = np.zeros(heads), np.empty(width)
    for head in range(heads):
        for j in range(1, width):
            if raised(logits[head, j, : j + 1], buffer[: j + 1]):
                found[head] += buffer[key[head, j]]
    return found / (width - 1)


def attention_scores(reader: LayerReader, sequence: RandomSequence) -> Float[np.ndarray, "score layer head"]:
    """Mean attention to what each of `ATTENTION_SCORES` names."""
    device = reader.network.embedding.device
    masks = attention_targets(sequence).to(device)
    positions = masks.any(-1).sum(-1)

    def measure(reading: LayerReading) -> Float[np.ndarray, "score head"]:
        sums = torch.einsum("hqk,nqk->nh", reading.pattern[0], masks.to(reading.pattern.dtype))
        return (sums / positions[:, None]).cpu().numpy()

    return _by_layer(reader, sequence.repeated[None].to(device), measure).swapaxes(0, 1)


def attention_targets(sequence: RandomSequence) -> Bool[Tensor, "score query key"]:
    """For each of `ATTENTION_SCORES`, the positions that it counts attention to."""
    tokens = sequence.repeated
    earlier = (tokens[:, None] == tokens).tril(-1)
    latest = earlier & torch.ones(len(tokens) - sequence.period, dtype=torch.bool).diag(-sequence.period)
    previous = torch.ones(len(tokens) - 1, dtype=torch.bool).diag(-1)
    previous[: sequence.begins + 1] = False  # only random tokens, before random tokens
    return torch.stack([earlier.roll(1, 1), previous, earlier, latest.roll(1, 1)])


def _by_layer(
    reader: LayerReader, tokens: Int[Tensor, "batch pos"], measure: Callable[[LayerReading], np.ndarray]
) -> Float[np.ndarray, "layer ..."]:
    """What `measure` says of each layer."""
    found: list[np.ndarray] = []
    reader.visit(tokens, lambda reading: found.append(measure(reading)))
    return np.stack(found)
