"""The floor counts the products of the encoder, and the figures are what their names say."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.embedding import Floor, Size, measure, padded, paragraphs
from training.sampling.embedders import TransformerEmbedder, transformer_embedder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def embedder() -> TransformerEmbedder:
    return transformer_embedder("minilm", "cpu")


def test_the_floor_is_the_arithmetic_of_the_model(embedder: TransformerEmbedder) -> None:
    text, floor = "word " * 30, Floor(embedder)
    lengths = embedder.lengths([text] * 4)
    # The counter knows attention only where it is written out as products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.inference_mode():
        embedder.encode([text] * 4)
    pooler = 2 * 4 * 384 * 384  # BERT computes it, nothing reads it
    assert counted.get_total_flops() - pooler == floor.flops(lengths)
    with FlopCounterMode(display=False) as worked:
        floor.work(lengths)()
    assert worked.get_total_flops() == floor.flops(lengths)


def test_padding() -> None:
    assert padded([1, 3, 2], iter([[0, 1], [2]])) == pytest.approx(8 / 6)


def test_figures(embedder: TransformerEmbedder) -> None:
    found = measure(embedder, paragraphs(12), Size(12, 1))
    assert found["texts"] == 12 and found["largest_difference"] < 1e-5
    assert found["padded_over_tokens"] <= found["padded_over_tokens_naive"]
    assert all(found[name] > 0 for name in ("tokens_a_second", "share_of_matrix_products", "times_naive"))
