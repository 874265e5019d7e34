"""Next-token predictions where they are asked: the unembedding is a quarter of a small model's work."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.adapters import read_weights
from interp.models.bridge import LanguageModel
from interp.models.language_traffic import language_traffic


class Readout:
    """A language model whose last residual stream and unembedding are used apart. Hooks on its Bridge stay in force."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.network = read_weights(model.bridge.original_model)
        self.device = self.network.embedding.device

    def residual(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        """What the last layer leaves."""
        hook = f"blocks.{len(self.network.layers) - 1}.hook_resid_post"
        return language_traffic(self.model.bridge, tokens.to(self.device), [hook])[hook]

    def logits(self, residual: Float[Tensor, "*rows d_model"]) -> Float[Tensor, "*rows vocab"]:
        """The final norm and the unembedding."""
        norm = self.network.norm_final
        normed = norm.linear(residual, norm.scale(residual)) + norm.bias
        return normed @ self.network.unembedding + self.network.unembedding_bias

    def next_logits(self, prompts: list[list[int]], batch: int = 32) -> Float[Tensor, "prompt vocab"]:
        """Logits of the token after each prompt; what is padded at the right no earlier position sees."""
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        rows: dict[int, Tensor] = {}
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(prompts[one]) for one in chosen], batch_first=True)
            last = torch.tensor([len(prompts[one]) - 1 for one in chosen], device=self.device)
            residual = self.residual(padded)[torch.arange(len(chosen), device=self.device), last]
            rows |= dict(zip(chosen, self.logits(residual), strict=True))
        return torch.stack([rows[number] for number in range(len(prompts))])

    @torch.no_grad()
    def losses(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos-1"]:
        """Nats of each token given those before it, one text at a time to keep memory low."""
        tokens = tokens.to(self.device)
        residual = self.residual(tokens)[:, :-1]
        pieces = [
            torch.nn.functional.cross_entropy(self.logits(rows), target, reduction="none")
            for rows, target in zip(residual, tokens[:, 1:], strict=True)
        ]
        return torch.stack(pieces)
