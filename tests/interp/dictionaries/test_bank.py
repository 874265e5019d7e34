"""The compiled step against torch: selection, and gradients against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.dictionaries.bank import Bank, Objective, select
from interp.dictionaries.kernels import select_largest


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3, 32, 64, 200]), st.booleans())
def test_selection_is_exact(seed: int, k: int, coarse: bool) -> None:
    row = torch.randn(256, generator=torch.Generator().manual_seed(seed))
    row = (row * 3).round() if coarse else row
    indices, values = np.empty(256, np.int32), np.empty(256, np.float32)
    count = select_largest(row.numpy(), k, indices, values, np.empty(256, np.float32), np.empty(256, np.float32))
    expected = row.topk(k).values.relu()
    assert sorted(values[:count].tolist()) == sorted(expected[expected > 0].tolist())
    assert np.array_equal(values[:count], row.numpy()[indices[:count]])


@pytest.mark.parametrize("objective", [Objective(k=5), Objective(l1=0.3)])
def test_gradients_equal_autograd(objective: Objective) -> None:
    bank = Bank(3, 16, 64, generator=torch.Generator().manual_seed(0)).double().float()
    activations = torch.randn(3, 40, 16, generator=torch.Generator().manual_seed(1)) * 2 + 1
    bank.fit_scale(activations)
    with torch.no_grad():
        bank.encoder_bias.normal_(std=0.1, generator=torch.Generator().manual_seed(2))
    bank.backward(activations, objective)
    closed = {name: parameter.grad.clone() for name, parameter in bank.named_parameters()}
    bank.zero_grad()
    x = activations * bank.scale[:, None, None] - bank.decoder_bias[:, None]
    acts = select(torch.baddbmm(bank.encoder_bias[:, None], x, bank.encoder.mT), objective.k)
    error = acts @ bank.decoder - x
    ((error.square().sum() + objective.l1 * acts.sum()) / 40).backward()
    along = (bank.decoder.grad * bank.decoder).sum(-1, keepdim=True)
    bank.decoder.grad -= along * bank.decoder
    for name, parameter in bank.named_parameters():
        torch.testing.assert_close(closed[name], parameter.grad, atol=2e-5, rtol=2e-4, msg=name)
