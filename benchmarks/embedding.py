"""Embedding with the shipped MiniLM as a share of its matrix products, and batches by length against batches as they come.

The floor is what no forward pass avoids: for the tokens of each of our batches, padding left out, every linear map as one
torch.mm, and each text's attention as two products a head; nothing else, and into outputs that are ready. Tokenizing,
softmax, normalisation and pooling are ours to pay, padding too. Naive batches are 32 texts in the corpus's order; the
peer is SentenceTransformer.encode as it comes. The texts are paragraphs of installed documentation, whose lengths
differ as those of a corpus do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import arguments, publish, seconds_in_turn
from interp.corpora.installed import installed_documents
from training.sampling.embedders import MINILM, TransformerEmbedder, batches, transformer_embedder

SHORTEST = 80
"""Characters below which a paragraph is no text."""
NAIVE = 32


class Size(NamedTuple):
    """How much is measured."""

    texts: int
    repeats: int


def paragraphs(count: int) -> list[str]:
    """The first texts between blank lines of the installed corpus."""
    found = (piece for document in installed_documents("train") for piece in document.text.split("\n\n"))
    return list(islice((piece for piece in found if len(piece) >= SHORTEST), count))


class Floor:
    """The matrix products of a BERT-like encoder."""

    def __init__(self, embedder: TransformerEmbedder) -> None:
        encoder = embedder.model[0].auto_model
        linear = [module for name, module in encoder.named_modules() if isinstance(module, torch.nn.Linear)]
        unused = [encoder.pooler.dense] if getattr(encoder, "pooler", None) else []
        self.weights = [module.weight.detach().T for module in linear if module not in unused]
        self.layers, self.heads = encoder.config.num_hidden_layers, encoder.config.num_attention_heads
        self.width = encoder.config.hidden_size // self.heads

    def flops(self, lengths: Sequence[int]) -> int:
        """Of texts of so many tokens."""
        linear = 2 * sum(weight.numel() for weight in self.weights) * sum(lengths)
        return linear + 4 * self.layers * self.heads * self.width * sum(length * length for length in lengths)

    def work(self, lengths: Sequence[int]) -> Callable[[], None]:
        """One batch's products as a call."""
        tokens = sum(lengths)
        maps = [
            (torch.randn(tokens, weight.shape[0]), weight, torch.empty(tokens, weight.shape[1])) for weight in self._shapes()
        ]
        attention = [
            self._attention(length, count) for length, count in zip(*np.unique(lengths, return_counts=True), strict=True)
        ]
        inputs = {weight.shape: (x, out) for x, weight, out in maps}

        def run() -> None:
            for weight in self.weights:
                x, out = inputs[weight.shape]
                torch.mm(x, weight, out=out)
            for _ in range(self.layers):
                for query, key, pattern, mixed in attention:
                    torch.bmm(query, key, out=pattern)
                    torch.bmm(pattern, query, out=mixed)

        return run

    def _shapes(self) -> list[Tensor]:
        return list({weight.shape: weight for weight in self.weights}.values())

    def _attention(self, length: int, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = int(count) * self.heads
        query, key = torch.randn(rows, int(length), self.width), torch.randn(rows, self.width, int(length))
        return query, key, torch.empty(rows, int(length), int(length)), torch.empty(rows, int(length), self.width)


def naive(embedder: TransformerEmbedder, texts: Sequence[str]) -> Tensor:
    """Embeddings in batches as the texts come."""
    return torch.cat([embedder.encode(texts[first : first + NAIVE]) for first in range(0, len(texts), NAIVE)])


def padded(lengths: Sequence[int], groups: Iterator[list[int]]) -> float:
    """Tokens with padding, over those without."""
    taken = sum(max(lengths[number] for number in group) * len(group) for group in groups)
    return taken / sum(lengths)


def measure(embedder: TransformerEmbedder, texts: Sequence[str], size: Size) -> dict[str, Any]:
    """All figures."""
    lengths = embedder.lengths(texts)
    groups = list(batches(lengths, embedder.budget))
    floor = Floor(embedder)
    products = [floor.work([lengths[number] for number in group]) for group in groups]
    as_they_come = [list(range(first, min(first + NAIVE, len(texts)))) for first in range(0, len(texts), NAIVE)]

    def peer() -> Tensor:
        return embedder.model.encode(list(texts), convert_to_tensor=True, show_progress_bar=False)

    with torch.inference_mode():
        gap = max(float((embedder(texts) - other).abs().max()) for other in (naive(embedder, texts), peer()))
        ours, unsorted, theirs, least = seconds_in_turn(
            lambda: embedder(texts),
            lambda: naive(embedder, texts),
            peer,
            lambda: [work() for work in products],
            repeats=size.repeats,
        )
    return {
        "texts": len(texts),
        "tokens": sum(lengths),
        "tokens_a_second": sum(lengths) / ours,
        "share_of_matrix_products": least / ours,
        "matrix_product_gflops": floor.flops(lengths) / least / 1e9,
        "times_naive": unsorted / ours,
        "times_sentence_transformers": theirs / ours,
        "padded_over_tokens": padded(lengths, iter(groups)),
        "padded_over_tokens_naive": padded(lengths, iter(as_they_come)),
        "largest_difference": gap,
        "note": (
            "MiniLM (6 layers, d 384), float32. Paragraphs of installed documentation, cut at 256 tokens. "
            "SentenceTransformer.encode sorts by characters and takes 32 texts a batch."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    size = Size(60, 1) if given.quick else Size(1000, 3)
    publish("embedding", measure(transformer_embedder(MINILM, "cpu"), paragraphs(size.texts), size), quick=given.quick)


if __name__ == "__main__":
    main()
