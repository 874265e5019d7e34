"""Other routers against exhaustive search and their own definitions, and the losses against sums written out."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.runs.errors import UserError
from training.moe.baselines import ROUTERS, LossFreeBias, base, expert_choice
from training.moe.losses import balance_loss, z_loss
from training.moe.plan import Request, route
from training.moe.rules import Rules


def probabilities(ranks: int, tokens: int, experts: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(2 * torch.randn(ranks, tokens, experts, generator=generator, dtype=torch.float64), -1)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 6), st.sampled_from([0.5, 1.0, 2.0, 9.0]))
def test_experts_take_those_that_score_them_highest(seed: int, tokens: int, capacity: float) -> None:
    p = probabilities(2, tokens, 4, seed)
    plan = expert_choice(Request(p), Rules(2, capacity, rectify=True))
    expected = {
        (rank * tokens + token, expert)
        for rank, expert in product(range(2), range(4))
        for token in sorted(range(tokens), key=lambda i: -p[rank, i, expert])[: plan.slots]
    }
    assert set(zip(plan.routes.token.tolist(), plan.routes.expert.tolist(), strict=True)) == expected
    assert not len(plan.refused.token) and torch.equal(plan.kept + plan.padding, torch.full((2, 4), plan.slots))
    cell = (plan.routes.expert * 2 + plan.rank(plan.routes.token)) * plan.slots + plan.routes.slot
    assert torch.equal(cell, cell.unique())
    total = torch.zeros(2 * tokens, dtype=p.dtype).index_add(0, plan.routes.token, plan.routes.weight)
    total = total.index_add(0, plan.stand_ins.token, plan.stand_ins.weight)
    assert torch.allclose(total, torch.ones_like(total))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 5))
def test_base_finds_the_best_balanced_assignment(seed: int, tokens: int) -> None:
    p = probabilities(1, tokens, 3, seed)
    plan = base(Request(p), Rules(1))
    logs = p[0].log()
    allowed = [c for c in product(range(3), repeat=tokens) if max(c.count(e) for e in range(3)) <= plan.slots]
    greatest = max(float(sum(logs[i, e] for i, e in enumerate(choice))) for choice in allowed)
    assert float(logs[plan.routes.token, plan.routes.expert].sum()) == pytest.approx(greatest)
    assert sorted(plan.routes.token.tolist()) == list(range(tokens)) and int(plan.kept.max()) <= plan.slots


def test_base_refuses_what_has_no_slot() -> None:
    plan = base(Request(probabilities(2, 8, 2, 0)), Rules(1, 0.5, rectify=True))
    assert plan.slots == 2 and len(plan.refused.token) == len(plan.stand_ins.token) == 8
    assert set(plan.refused.token.tolist()).isdisjoint(plan.routes.token.tolist())
    with pytest.raises(UserError, match="BASE with k 2 is refused; accepted is 1"):
        base(Request(probabilities(1, 4, 2, 0)), Rules(2))


@pytest.mark.parametrize("name", ROUTERS)
def test_padding_is_routed_by_nobody(name: str) -> None:
    mask = torch.tensor([[True, False, True, True], [False, False, False, False]])
    plan = ROUTERS[name](Request(probabilities(2, 4, 2, 0), mask=mask), Rules(1, 2.0, rectify=True))
    assert set(plan.routes.token.tolist()) | set(plan.stand_ins.token.tolist()) == {0, 2, 3}
    assert set(plan.refused.token.tolist()) <= {0, 2, 3}


def test_a_bias_moves_by_the_sign_of_the_load() -> None:
    bias = LossFreeBias(4, rate=0.1)
    bias.update(torch.tensor([[5, 1, 0, 3], [3, 1, 0, 3]]))
    assert bias.bias.tolist() == pytest.approx([-0.1, 0.1, 0.1, -0.1])
    p = probabilities(1, 6, 4, 0)
    plan = route(Request(p, choose_by=bias.choose_by(p)), Rules(1))
    assert torch.equal(plan.routes.expert.sort().values, (p[0] + bias.bias).argmax(1).sort().values)
    assert plan.routes.weight.tolist() == pytest.approx([1.0] * 6)


def test_the_balancing_loss_is_of_first_choices_and_a_rank() -> None:
    logits = probabilities(2, 6, 4, 1).log().requires_grad_()
    p, terms = torch.softmax(logits, -1), []
    for rank in range(2):
        first = [int(row.argmax()) for row in p[rank]]
        terms.append(sum(4 * first.count(e) / 6 * p[rank, :, e].mean() for e in range(4)))
    loss = balance_loss(Request(p))
    assert float(loss.detach()) == pytest.approx(float(sum(terms).detach() / 2))  # type: ignore[union-attr]
    ours, theirs = (torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (loss, sum(terms) / 2))
    assert torch.allclose(ours, theirs)
    even = torch.eye(4).repeat(2, 3, 1)
    assert float(balance_loss(Request(even))) == pytest.approx(1.0)


def test_the_balancing_loss_of_sigmoids_is_one_where_even() -> None:
    assert float(balance_loss(Request(torch.full((1, 16, 8), 0.5)))) == pytest.approx(1.0)
    scores = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).sigmoid()
    shares = scores / scores.sum(-1, keepdim=True)
    assert float(balance_loss(Request(scores))) == pytest.approx(float(balance_loss(Request(shares))))


def test_losses_leave_padding_out() -> None:
    logits = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, True, False, False], [False] * 5])
    alone = logits[:1, :3]
    masked = Request.softmax(logits, mask)
    assert float(balance_loss(masked)) == pytest.approx(float(balance_loss(Request.softmax(alone))))
    assert float(z_loss(logits, mask)) == pytest.approx(float(z_loss(alone)))
    assert float(z_loss(alone)) == pytest.approx(float((alone.exp().sum(-1).log() ** 2).mean()))
