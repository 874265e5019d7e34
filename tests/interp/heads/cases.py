"""Random networks and documents, and a relation index by brute force: float64, whole vocabulary, loops."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

from interp.heads.index.layers import LayerReading, ResidualReader, Visitor
from interp.heads.index.options import IndexOptions
from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.models.network import Network
from interp.models.random_network import NetworkShape

Key = tuple[str, int, str, int, int]
"""Document, triplet, direction, layer, head."""


class RecordReader(ResidualReader):
    """The residual stream of `Network.run`, a document at a time: no Bridge, any precision."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def visit(self, tokens: Tensor, visitor: Visitor) -> None:
        records = [self.network.run(row) for row in tokens]
        for index, layer in enumerate(self.network.layers):
            norm, streams = layer.norm_attention, torch.stack([record.layers[index].resid_pre for record in records])
            patterns = torch.stack([record.layers[index].pattern for record in records])
            visitor(LayerReading(index, norm.linear(streams, norm.scale(streams)) + norm.bias, patterns))

    def final_scales(self, tokens: Tensor) -> Tensor:
        return torch.stack([self.network.run(row).final_scale for row in tokens])


def random_network(seed: int, **shape: object) -> Network:
    """Float64, weights so large that attention is sharp and logits far from flat."""
    network = Network.random(NetworkShape(n_ctx=24, **shape), torch.Generator().manual_seed(seed))  # type: ignore[arg-type]
    return network.to(torch.float64)


def random_documents(seed: int, *, count: int = 4, vocab: int = 11, bound: int = 20) -> list[AlignedDocument]:
    """Documents of different lengths with triplets of one or several mentions, in both orders."""
    generator = np.random.default_rng(seed)
    documents = []
    for number in range(count):
        length = int(generator.integers(8, bound))
        triplets = []
        for index in range(5):
            ends = generator.choice(length, 4, replace=False).tolist()
            pairs = ((ends[0], ends[1]),) if index % 2 else ((ends[0], ends[1]), (ends[2], ends[1]), (ends[2], ends[3]))
            triplets.append(AlignedTriplet(("near", "far")[index % 2], index, pairs))
        tokens = torch.as_tensor(generator.integers(vocab, size=length))
        documents.append(AlignedDocument(f"d{number}", tokens, tuple(triplets)))
    return documents


def brute_force(
    network: Network, documents: list[AlignedDocument], options: IndexOptions, *, tau: float
) -> dict[Key, tuple[float, int]]:
    """Sum of shares and number of events by definition A3, one softmax over the vocabulary at a time."""
    found: dict[Key, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for document in documents:
        for layer, head, j, s, ratio, x, pattern in _rows(network, document.tokens, options):
            if not ratio > tau:
                continue
            p = _probabilities(network, document.tokens, layer, head, j, s, x, pattern, options)
            context = sorted(set(document.tokens[: j + 1].tolist()))
            if p[context].log().max() - p[context].log().min() < 1e-6:
                continue
            q = (p[context] - p[context].mean()).clamp(min=0)
            for triplet in document.triplets:
                for direction in ("forward", "reverse"):
                    for pair in triplet.pairs:
                        head_at, tail_at = pair if direction == "forward" else pair[::-1]
                        if j < max(head_at, tail_at) or not _is_attended(document.tokens, head_at, s, options):
                            continue
                        a = float(q[context.index(int(document.tokens[tail_at]))] / q.sum())
                        key = (document.name, triplet.number, direction, layer, head)
                        found[key] = (found[key][0] + a, found[key][1] + 1)
    return dict(found)


def _is_attended(tokens: Tensor, wanted: int, s: int, options: IndexOptions) -> bool:
    return tokens[wanted] == tokens[s] if options.source == "embed" else wanted == s


def _rows(network: Network, tokens: Tensor, options: IndexOptions):  # type: ignore[no-untyped-def]
    record = network.run(tokens)
    for index, layer in enumerate(network.layers):
        stream = network.embedding[tokens] if options.source == "embed" else record.layers[index].resid_pre
        norm, attention = layer.norm_attention, layer.attention
        x = norm.linear(stream, norm.scale(stream)) + norm.bias
        q, k = attention.queries(x), attention.keys(x)
        if options.source == "resid":
            q, k = attention.rotate(q), attention.rotate(k)
        for head in range(len(attention.W_Q)):
            for j in range(1, len(tokens)):
                weights = (q[head, j] @ k[head, : j + 1].T * attention.scale).softmax(-1)
                s = int(weights.argmax())
                others = weights[tokens[: j + 1] != tokens[s]]
                ratio = float(weights[s] / others.max()) if len(others) else float("inf")
                yield index, head, j, s, ratio, x, weights


def _probabilities(network, tokens, layer, head, j, s, x, weights, options):  # type: ignore[no-untyped-def]
    a = network.layers[layer].attention
    group = head // (len(a.W_Q) // len(a.W_V))
    read = {"current": x[j], "attended": x[s], "mixed": weights @ x[: j + 1]}[options.ov_token]
    out = (read @ a.W_V[group] + a.b_V[group]) @ a.W_O[head] + a.b_O
    if options.final_norm:
        scale = (
            network.norm_final.scale(network.embedding[tokens[j]])
            if options.source == "embed"
            else network.run(tokens).final_scale[j]
        )
        out = network.norm_final.linear(out, scale) + network.norm_final.bias
    return (out @ network.unembedding + network.unembedding_bias).softmax(-1)
