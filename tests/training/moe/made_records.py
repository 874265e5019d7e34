"""Records of a layer with random weights, or of random logits, on made tokens."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from training.moe.plan import Request, RoutingPlan, route
from training.moe.records import RecordWriter, Routed, Tokens
from training.moe.rules import Rules


class Letters:
    """A tokenizer of letters."""

    def decode(self, token_ids: list[int]) -> str:
        """One letter a token; some that pages and spreadsheets must not take at their word."""
        return ["=a", "<b>", "c ", "\n", "e"][token_ids[0] % 5]


def made_tokens(sequences: int = 4, length: int = 8, *, seed: int = 0, mask: Tensor | None = None) -> Tokens:
    """Random letters."""
    ids = torch.randint(5, (sequences, length), generator=torch.Generator().manual_seed(seed))
    return Tokens.of(ids, Letters(), mask=mask)


def made_logits(ranks: int, tokens: int, experts: int, *, seed: int = 0, skew: float = 1.0) -> Tensor:
    """Random logits; experts differ in what they get by `skew`."""
    generator = torch.Generator().manual_seed(seed)
    lean = skew * torch.randn(experts, generator=generator)
    return torch.randn(ranks, tokens, experts, generator=generator) + lean


ROW_BYTES = 256


def write_records(
    folder: Path, rules: Rules, *, ranks: int = 2, experts: int = 4, steps: int = 2, layers: int = 2
) -> dict[tuple[int, int], RoutingPlan]:
    """Records of 32 tokens a pass, of two domains and a text of none that is known; the plans by step and layer."""
    writer, plans = RecordWriter(folder), {}
    for step in range(steps):
        tokens = made_tokens(seed=step)
        for layer in range(layers):
            logits = made_logits(ranks, 32 // ranks, experts, seed=10 * step + layer)
            plans[step, layer] = route(Request.softmax(logits), rules)
            writer.add(step, layer, tokens, Routed(plans[step, layer], logits, balance=1.0 + step, row_bytes=ROW_BYTES))
    writer.flush()
    writer.tell_domains(["<i>prose", "code", "code", None])
    return plans
