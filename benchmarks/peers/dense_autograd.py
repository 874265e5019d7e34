"""The same TopK training step as our bank's, written densely: torch's topk, autograd, fused Adam.

Several dictionaries are one batched product, as in the bank; scaling, loss, decoder constraint and optimizer are the
bank's too, so both end a step with the same parameters (a test compares them). `rows_at_once` splits the batch and
accumulates gradients, which keeps the dense activations near the cache.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from interp.dictionaries.bank import Bank


class DenseTrainer:
    """Takes dense steps on the parameters of a bank."""

    def __init__(self, bank: Bank, k: int, *, lr: float, rows_at_once: int) -> None:
        self.bank, self.k, self.rows_at_once = bank, k, rows_at_once
        self.optimizer = torch.optim.Adam(bank.parameters(), lr=lr, betas=(0.9, 0.999), fused=True)

    def step(self, activations: Float[Tensor, "site row d_in"]) -> None:
        """One step on a batch."""
        self.optimizer.zero_grad(set_to_none=True)
        for rows in activations.split(self.rows_at_once, 1):
            (self._squared_error(rows) / activations.shape[1]).backward()
        decoder = self.bank.decoder
        with torch.no_grad():
            assert decoder.grad is not None
            decoder.grad -= (decoder.grad * decoder).sum(-1, keepdim=True) * decoder
        self.optimizer.step()
        self.bank.normalise()

    def _squared_error(self, rows: Tensor) -> Tensor:
        bank = self.bank
        x = rows * bank.scale[:, None, None] - bank.decoder_bias[:, None]
        pre = torch.baddbmm(bank.encoder_bias[:, None], x, bank.encoder.mT)
        values, indices = pre.topk(self.k, dim=-1, sorted=False)
        acts = torch.zeros_like(pre).scatter(-1, indices, values.relu())
        return torch.baddbmm(x, acts, bank.decoder, beta=-1).square().sum()
