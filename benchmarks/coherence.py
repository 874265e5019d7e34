"""Coherence by the shipped language model, as a multiple of the matrix products that no forward pass avoids.

The floor is every linear map of the long and the short run as one torch.mm a batch, attention as two products a head of
which a causal model needs the lower half, and the output map at the targets alone; into outputs that are ready. Softmax,
norms, rotations, the search for the arg-max and the losses are ours to pay. The naive peer reads one window at a time and
computes logits at every position; LongWanjuan's code has logits everywhere too, but batches of 8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.harness import arguments, publish, seconds_in_turn
from benchmarks.longtext_metrics import long_documents
from training.longtext.coherence import BATCH_TOKENS, CoherenceModel, Windows, preset


class Size(NamedTuple):
    """How much is measured."""

    documents: int
    repeats: int


class Floor:
    """The matrix products of a decoder for windows of one length."""

    def __init__(self, model: Any, windows: Windows) -> None:
        self.windows, self.config = windows, model.config
        linear = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
        self.output = linear.pop("lm_head").weight.detach().T
        self.weights = [module.weight.detach().T for module in linear.values()]

    def flops(self, count: int) -> int:
        """Of `count` windows, both runs."""
        return sum(self._flops(count, length - 1) for length in (self.windows.window, self.windows.short))

    def _flops(self, count: int, length: int) -> int:
        linear = 2 * sum(weight.numel() for weight in self.weights) * count * length
        heads, width = self.config.num_attention_heads, self.config.hidden_size // self.config.num_attention_heads
        attention = self.config.num_hidden_layers * heads * 2 * count * length * length * width  # the lower half
        return linear + attention + 2 * self.output.numel() * count * self.windows.targets

    def work(self, count: int) -> Callable[[], None]:
        """The products of `count` windows as a call."""
        runs = []
        for length in (self.windows.window, self.windows.short):
            size = max(BATCH_TOKENS // length, 1)
            runs += [self._batch(min(size, count - first), length - 1) for first in range(0, count, size)]

        def work() -> None:
            for run in runs:
                run()

        return work

    def _batch(self, count: int, length: int) -> Callable[[], None]:
        ready = {weight.shape: self._ready(count * length, weight) for weight in self.weights}
        targets, logits = self._ready(count * self.windows.targets, self.output)
        heads, width = self.config.num_attention_heads, self.config.hidden_size // self.config.num_attention_heads
        half = length // 2  # two products of half the length are the lower half of one
        query, key = torch.randn(count * heads, length, width), torch.randn(count * heads, width, half)
        pattern, mixed = torch.empty(count * heads, length, half), torch.empty(count * heads, length, width)

        def run() -> None:
            for weight in self.weights:
                inputs, outputs = ready[weight.shape]
                torch.mm(inputs, weight, out=outputs)
            for _ in range(self.config.num_hidden_layers):
                torch.bmm(query, key, out=pattern)
                torch.bmm(pattern, key.mT, out=mixed)
            torch.mm(targets, self.output, out=logits)

        return run

    @staticmethod
    def _ready(rows: int, weight: Tensor) -> tuple[Tensor, Tensor]:
        return torch.randn(rows, weight.shape[0]), torch.empty(rows, weight.shape[1])


@torch.inference_mode()
def naive(model: CoherenceModel, tokens: Tensor, windows: Windows) -> Tensor:
    """Accuracy and mean nats of both runs, a window at a time, with logits everywhere."""
    rows = []
    for window in tokens:
        for context in (window, window[-windows.short :]):
            logits = model.model(context[None], use_cache=False).logits[0, :-1].float()[-windows.targets :]
            wanted = context[-windows.targets :]
            nats = torch.nn.functional.cross_entropy(logits, wanted)
            rows.append(torch.stack([(logits.argmax(-1) == wanted).float().mean(), nats]))
    return torch.stack(rows).view(len(tokens), 2, 2)


def window_tokens(model: CoherenceModel, texts: Sequence[str], windows: Windows) -> Tensor:
    """The windows that are read of the texts."""
    return torch.stack([window.tokens for text in texts for window in model.cut(text, windows)])


def measure(model: CoherenceModel, texts: Sequence[str], windows: Windows, size: Size) -> dict[str, Any]:
    """All figures."""
    tokens = window_tokens(model, texts, windows)
    floor = Floor(model.model, windows)
    products = floor.work(len(tokens))
    gap = float((torch.stack(model.runs(tokens, windows), 1) - naive(model, tokens, windows)).abs().max())
    ours, theirs, least, whole = seconds_in_turn(
        lambda: model.runs(tokens, windows),
        lambda: naive(model, tokens, windows),
        products,
        lambda: model.score(texts, windows),
        repeats=size.repeats,
    )
    return {
        "documents": len(texts),
        "windows": len(tokens),
        "share_of_matrix_products": least / ours,
        "times_naive": theirs / ours,
        "seconds_a_document": whole / len(texts),
        "matrix_product_gflops": floor.flops(len(tokens)) / least / 1e9,
        "largest_difference": gap,
        "note": (
            f"SmolLM2-135M, float32, windows of {windows.window}/{windows.short}/{windows.targets} tokens, at most "
            f"{windows.most} a document of 32 kB and more. The naive peer: one window at a time, logits everywhere. "
            "Seconds a document are with its tokenization, the rest without."
        ),
    }


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    size = Size(1, 1) if given.quick else Size(2, 3)
    model = CoherenceModel.load("smollm2-135m", device="cpu")
    publish("coherence", measure(model, long_documents(size.documents), preset("cpu"), size), quick=given.quick)


if __name__ == "__main__":
    main()
