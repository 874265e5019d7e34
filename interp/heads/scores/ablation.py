"""Heads switched off: what they pass on is replaced by its mean over some documents, or by nothing.

A mean keeps what a head does whatever the text says, as a bias would (mean ablation; Wang et al. 2022, arXiv 2211.00593);
zero takes that away too, and can break a model for reasons that have nothing to do with what the head knows. The
replacement happens in the mixed values z, before W_O, on the Bridge's `hook_z`, which all architectures have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.index.batches import by_length, make_batch
from interp.heads.relations.aligned import AlignedDocument
from interp.models.language_traffic import language_traffic
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

Head = tuple[int, int]
"""Layer and head, counted from 0."""
Means = Float[Tensor, "layer head d_head"]


@contextmanager
def ablated(model: LanguageModel, heads: Collection[Head], means: Means | None = None) -> Iterator[None]:
    """Within it, every forward pass of the model's Bridge does without `heads`.

    Args:
        means: what they pass on instead (`mean_outputs`); without, nothing.

    Raises:
        UserError: for a head that the model does not have.
    """
    _check(model, heads)
    by_layer: dict[int, list[int]] = {}
    for layer, head in sorted(heads):
        by_layer.setdefault(layer, []).append(head)

    def replacing(layer: int, chosen: list[int]) -> Any:
        def hook(z: Float[Tensor, "batch pos head d_head"], hook: Any) -> Tensor:
            changed = z.clone()
            changed[:, :, chosen] = 0.0 if means is None else means[layer, chosen].to(z)
            return changed

        return hook

    hooks = [(_hook(layer), replacing(layer, chosen)) for layer, chosen in by_layer.items()]
    with model.bridge.hooks(fwd_hooks=hooks):
        yield


def mean_outputs(model: LanguageModel, sequences: Sequence[Int[Tensor, " pos"]]) -> Means:
    """Mean z of every head over all positions of some token sequences."""
    cfg = model.bridge.cfg
    device = next(model.bridge.parameters()).device
    names = [_hook(layer) for layer in range(cfg.n_layers)]
    total = torch.zeros(cfg.n_layers, cfg.n_heads, cfg.d_head, dtype=torch.float64, device=device)
    documents = [AlignedDocument(str(number), tokens.cpu(), ()) for number, tokens in enumerate(sequences)]
    for group in by_length(documents):
        batch = make_batch(group, device)
        inside = torch.arange(batch.tokens.shape[1]) < torch.as_tensor(batch.lengths)[:, None]
        traffic = language_traffic(model.bridge, batch.tokens, names)
        for layer, name in enumerate(names):
            total[layer] += traffic[name][inside.to(device)].sum(0, dtype=torch.float64)
    return (total / sum(len(tokens) for tokens in sequences)).float()


def matched_heads(
    model: LanguageModel, heads: Collection[Head], draws: int, generator: np.random.Generator
) -> list[tuple[Head, ...]]:
    """Random sets of heads outside `heads`, with as many in every layer; where a layer has too few, the nearest ones help.

    Raises UserError for no heads, for a head that the model does not have, or for more than half of all heads.
    """
    _check(model, heads)
    layers, per_layer = model.bridge.cfg.n_layers, model.bridge.cfg.n_heads
    if not 0 < 2 * len(set(heads)) <= layers * per_layer:
        raise UserError(
            f"{len(set(heads))} heads cannot be compared with as many others; accepted are 1 .. {layers * per_layer // 2}"
        )
    wanted = Counter(layer for layer, _ in set(heads))
    free = [[(layer, head) for head in range(per_layer) if (layer, head) not in heads] for layer in range(layers)]
    return [tuple(sorted(_draw(wanted, free, generator))) for _ in range(draws)]


def _draw(wanted: Counter[int], free: list[list[Head]], generator: np.random.Generator) -> set[Head]:
    drawn: set[Head] = set()
    missing = []
    for layer, count in wanted.items():
        own = [free[layer][place] for place in generator.permutation(len(free[layer]))[:count]]
        drawn.update(own)
        missing += [layer] * (count - len(own))
    for layer in missing:
        left = [head for others in free for head in others if head not in drawn]
        nearest = min(abs(other - layer) for other, _ in left)
        close = [one for one in left if abs(one[0] - layer) == nearest]
        drawn.add(close[int(generator.integers(len(close)))])
    return drawn


def _hook(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_z"


def _check(model: LanguageModel, heads: Collection[Head]) -> None:
    layers, per_layer = model.bridge.cfg.n_layers, model.bridge.cfg.n_heads
    for layer, head in heads:
        if not (0 <= layer < layers and 0 <= head < per_layer):
            raise UserError(
                f"{model.name} has no head {layer}.{head}; accepted are layers 0 .. {layers - 1}, heads 0 .. {per_layer - 1}"
            )
