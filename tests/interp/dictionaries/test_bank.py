"""The compiled step against torch: selection, and the gradients of every kind against autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.dictionaries.bank import Bank, _Gradients
from interp.dictionaries.batchtopk import BatchTopK, border
from interp.dictionaries.jumprelu import BANDWIDTH, WEIGHT, JumpRelu
from interp.dictionaries.kernels import select_largest
from interp.dictionaries.kinds import KINDS
from interp.dictionaries.objective import Objective, select

K, L1 = 5, 0.3


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


class _Jump(torch.autograd.Function):
    """z H(z - t), or H(z - t) itself, with the pseudo-derivatives of Rajamanoharan et al. 2024, equations 11 and 12."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, t: Tensor, times_z: bool) -> Tensor:
        ctx.save_for_backward(z, t)
        ctx.times_z = times_z
        return (z > t) * (z if times_z else torch.ones_like(z))

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor | None, Tensor, None]:
        z, t = ctx.saved_tensors
        kernel = (((z - t) / BANDWIDTH).abs() < 0.5) / BANDWIDTH
        to_threshold = -(t if ctx.times_z else 1) * kernel * grad[0]
        return ((z > t) * grad[0] if ctx.times_z else None), to_threshold.sum(1, keepdim=True), None


def _loss(kind: str, bank: Bank, written: Tensor, read: Tensor | None) -> Tensor:
    """The objective as one would write it down, for autograd."""
    inputs, targets = bank.scaled(written, read)
    pre, rows = bank.pre_activations(inputs), written.shape[1]
    penalty: Tensor | float = 0.0
    if kind == "topk":
        acts = select(pre, K)
    elif kind == "l1":
        acts = pre.relu()
        penalty = L1 * acts.sum()
    elif kind == "jumprelu":
        acts = _Jump.apply(pre, bank.threshold[:, None], True)
        l0 = _Jump.apply(pre, bank.threshold[:, None], False).sum((1, 2)) / rows
        penalty = rows * WEIGHT * (l0 / K - 1).square().sum()
    else:
        flat = pre.flatten(1)
        kept = flat.topk(K * rows)
        acts = torch.zeros_like(flat).scatter(1, kept.indices, kept.values.relu()).view_as(pre)
    return ((acts @ bank.decoder - targets).square().sum() + penalty) / rows


def _case(kind: str, sites: int) -> tuple[Bank, Objective, Tensor, Tensor | None]:
    generator = torch.Generator().manual_seed(1)
    bank = Bank(sites, 16, 64, generator=generator)
    written = torch.randn(sites, 40, 16, generator=generator) * 2 + 1
    read = torch.randn(sites, 40, 16, generator=generator) * 3 - 1 if KINDS[kind].transcodes else None
    objective = KINDS[kind].objective(K, L1)
    bank.fit(written, read, objective)
    with torch.no_grad():
        bank.encoder_bias.normal_(std=0.1, generator=generator)
        bank.threshold.mul_(torch.rand(sites, 64, generator=generator) + 0.5)
    return bank, objective, written, read


@pytest.mark.parametrize(("sites", "dense"), [(3, False), (3, True), (1, False), (2, False)])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_equal_autograd(kind: str, sites: int, dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One and two sites have their rows split among the cores."""
    bank, objective, written, read = _case(kind, sites)
    if dense:
        monkeypatch.setattr(_Gradients, "add_compiled", _Gradients.add_dense)
    _loss(kind, bank, written, read).backward()
    assert bank.decoder.grad is not None
    bank.decoder.grad -= (bank.decoder.grad * bank.decoder).sum(-1, keepdim=True) * bank.decoder
    expected = {name: parameter.grad for name, parameter in bank.named_parameters()}
    bank.zero_grad()
    bank.backward(written, read, objective)
    for name, parameter in bank.named_parameters():
        if name == "threshold" and kind != "jumprelu":
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, expected[name], atol=2e-4, rtol=5e-4, msg=name)


def test_border_is_the_smallest_of_the_largest() -> None:
    pre = torch.randn(3, 20, 32, generator=torch.Generator().manual_seed(0))
    pre[2] = -1.0
    expected = pre.flatten(1).sort(descending=True).values[:, 4 * 20 - 1].relu()
    assert torch.equal(border(pre, 4), expected)
    kept = BatchTopK(4).rule(pre, torch.zeros(3, 32)).activate(pre)
    assert (kept[:2] > 0).sum((1, 2)).tolist() == [80, 80] and not kept[2].any()
    assert torch.equal(border(pre, 30)[:2], pre[:2].flatten(1).where(pre[:2].flatten(1) > 0, torch.inf).amin(1))


def test_jumprelu_starts_on_target() -> None:
    bank, _, written, read = _case("jumprelu", 3)
    objective = JumpRelu(K)
    bank.fit(written, read, objective)
    assert bank.backward(written, read, objective).l0.tolist() == pytest.approx([K] * 3, abs=0.5)
