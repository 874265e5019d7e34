"""The plan against the worked example, a brute-force reference and the invariants of the definition."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.runs.errors import UserError
from tests.training.moe.brute import brute
from training.moe.plan import Choices, Request, Routes, RoutingPlan, StandIns, best, route, with_drawn_seed
from training.moe.rules import Rules

EXAMPLE = torch.tensor([
    [[.70, .10, .15, .05], [.60, .05, .30, .05], [.50, .30, .10, .10], [.10, .20, .60, .10]],
    [[.05, .05, .20, .70], [.10, .15, .25, .50], [.15, .55, .20, .10], [.20, .10, .10, .60]],
])  # fmt: skip
FILLS, ORDERS = ["off", "own", "top1"], ["confidence", "reverse", "position"]
CAPACITIES = [Fraction(1, 3), Fraction(1, 2), Fraction(1), Fraction(11, 10), Fraction(3, 2), Fraction(2), Fraction(4)]


def triples(plan: RoutingPlan, pairs: Choices | Routes | StandIns, which: Tensor | None = None) -> set[tuple[int, int, int]]:
    """(rank, token, expert), each of which a plan names at most once in a list."""
    rows = torch.stack([pairs.token // plan.tokens, pairs.token % plan.tokens, pairs.expert], 1)
    listed = [tuple(row) for row in (rows if which is None else rows[which]).tolist()]
    assert len(set(listed)) == len(listed)
    return set(listed)


@st.composite
def scores(draw: st.DrawFn, *, ranks: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """Probabilities of up to 4 ranks; few distinct ones, so that there are ties, or many."""
    count, local = draw(st.sampled_from(ranks)), draw(st.sampled_from([1, 2, 3]))
    shape = count, draw(st.integers(1, 9)), max(2, count * local) if count > 1 else draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    skew = draw(st.sampled_from([0.0, 1.0, 3.0])) * rng.normal(size=shape[2])
    logits = rng.integers(0, 3, shape) if draw(st.booleans()) else rng.normal(size=shape)
    return torch.softmax(torch.from_numpy(logits + skew), -1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Rules, Fraction]:
    """Scores, rules for them, and their capacity as a fraction."""
    given_scores, capacity = draw(scores()), draw(st.sampled_from(CAPACITIES))
    return (
        given_scores,
        Rules(
            k=draw(st.integers(1, min(3, given_scores.shape[2]))),
            capacity=float(capacity),
            fill=draw(st.sampled_from(FILLS)),  # type: ignore[arg-type]
            rectify=draw(st.booleans()),
            order=draw(st.sampled_from(ORDERS)),  # type: ignore[arg-type]
            unrouted=draw(st.sampled_from(["unmet", "all", "any", "ignore_kth"])),  # type: ignore[arg-type]
            scale=draw(st.sampled_from(["paper", "code"])),  # type: ignore[arg-type]
        ),
        capacity,
    )


@pytest.mark.parametrize(
    "fill, filled, padding, rectified",
    [
        ("off", set(), 4, {(0, 1, 0), (0, 2, 0), (1, 1, 3), (1, 3, 3)}),
        ("own", {(0, 2, 1), (1, 1, 2), (1, 3, 0)}, 1, {(0, 1, 0)}),
        ("top1", {(0, 3, 1), (1, 0, 2), (1, 3, 0)}, 1, {(0, 1, 0), (0, 2, 0), (1, 1, 3)}),
    ],
)
def test_the_worked_example(fill: str, filled: set[object], padding: int, rectified: set[object]) -> None:
    plan = route(EXAMPLE, Rules(k=1, capacity=1.0, fill=fill, rectify=True))  # type: ignore[arg-type]
    assert plan.slots == 1 and len(plan.refused.token) == 4
    assert triples(plan, plan.routes, ~plan.routes.filled) == {(0, 0, 0), (0, 3, 2), (1, 0, 3), (1, 2, 1)}
    assert triples(plan, plan.routes, plan.routes.filled) == filled and int(plan.padding.sum()) == padding
    assert triples(plan, plan.stand_ins) == rectified


def test_the_weights_of_the_worked_example() -> None:
    """k = 2, p = (.5, .3, .2), a route to expert 0; 2, alone on the rank, stands in for one choice, or two by the code's K."""
    p = torch.tensor([[0.5, 0.3, 0.2], [0.02, 0.9, 0.08]]).repeat(3, 1, 1)
    plan = route(p, Rules(k=2, capacity=1.5, rectify=True))
    assert plan.slots == 1 and plan.routes.expert[plan.routes.token == 4].tolist() == [0]
    assert plan.routes.weight[plan.routes.token == 4].tolist() == pytest.approx([0.714], abs=1e-3)
    assert plan.stand_ins.expert[plan.stand_ins.token == 4].tolist() == [2]
    assert plan.stand_ins.weight[plan.stand_ins.token == 4].tolist() == pytest.approx([0.286], abs=1e-3)
    code = route(p, Rules(k=2, capacity=1.5, fill="top1", rectify=True, unrouted="ignore_kth", scale="code"))
    assert code.routes.weight[code.routes.token == 4].tolist() == pytest.approx([0.556], abs=1e-3)
    assert code.stand_ins.weight[code.stand_ins.token == 4].tolist() == pytest.approx([0.444], abs=1e-3)


@settings(deadline=None, max_examples=300)
@given(cases())
def test_the_plan_is_that_of_the_definition(case: tuple[Tensor, Rules, Fraction]) -> None:
    p, rules, capacity = case
    plan, expected = route(p, rules), brute(p.numpy(), rules, capacity)
    assert plan.slots == expected.slots
    assert triples(plan, plan.routes, ~plan.routes.filled) == expected.kept
    assert triples(plan, plan.routes, plan.routes.filled) == expected.filled
    assert triples(plan, plan.refused) == expected.dropped
    assert triples(plan, plan.stand_ins) == expected.rectified
    assert plan.padding.tolist() == expected.padding.tolist()
    for pairs in (plan.routes, plan.stand_ins):
        for token, expert, weight in zip(pairs.token.tolist(), pairs.expert.tolist(), pairs.weight.tolist(), strict=True):
            known = expected.weights[divmod(token, plan.tokens)]
            assert any(e == expert and weight == pytest.approx(w) for e, w in known)


@settings(deadline=None)
@given(cases())
def test_invariants(case: tuple[Tensor, Rules, Fraction]) -> None:
    p, rules, _ = case
    plan, (ranks, tokens, experts) = route(p, rules), p.shape
    used = plan.kept + plan.filled
    assert used.max() <= plan.slots and torch.equal(used + plan.padding, torch.full((ranks, experts), plan.slots))
    assert torch.equal(plan.demand, plan.kept + plan.dropped) and int(plan.demand.sum()) == ranks * tokens * rules.k
    assert torch.equal(plan.stand_ins.token // tokens, plan.stand_ins.expert // (experts // ranks))
    cell = (plan.routes.expert * ranks + plan.routes.token // tokens) * plan.slots + plan.routes.slot
    assert torch.equal(cell, cell.unique())
    plain = route(p, replace(rules, fill="off", rectify=False))
    assert torch.equal(plain.kept, plan.kept) and triples(plain, plain.routes) <= triples(plan, plan.routes)
    assert triples(plan, plan.refused) == triples(plain, plain.refused)
    assert plan.drop_rate == plain.drop_rate and plan.padding_rate <= plain.padding_rate


@settings(deadline=None)
@given(cases())
def test_weights_sum_to_one_wherever_there_is_a_route(case: tuple[Tensor, Rules, Fraction]) -> None:
    p, rules, _ = case
    plan = route(p, rules)
    total = torch.zeros(p.shape[0] * p.shape[1], dtype=p.dtype)
    total = total.index_add(0, plan.routes.token, plan.routes.weight).index_add(
        0, plan.stand_ins.token, plan.stand_ins.weight
    )
    reached = plan.routes_of_tokens().flatten() > 0
    if rules.rectify and rules.unrouted != "ignore_kth":
        reached = torch.ones_like(reached)
    elif rules.rectify:
        reached[plan.stand_ins.token] = True
    assert total[reached].tolist() == pytest.approx([1.0] * int(reached.sum())) and not total[~reached].any()


@settings(deadline=None)
@given(scores(), st.integers(1, 2), st.sampled_from(FILLS))
def test_room_for_all_drops_nothing(p: Tensor, k: int, fill: str) -> None:
    roomy = route(p, Rules(k=k, capacity=p.shape[2], fill=fill, rectify=True))  # type: ignore[arg-type]
    assert not len(roomy.refused.token) and not len(roomy.stand_ins.token)
    endless = route(p, Rules(k=k, rectify=True))
    assert not len(endless.refused.token) and endless.slots == int(endless.demand.max())
    top = best(p.flatten(0, 1), k)
    share = p.flatten(0, 1).gather(1, top)
    expected = torch.zeros(len(top), p.shape[2], dtype=p.dtype).scatter(1, top, share / share.sum(1, keepdim=True))
    found = torch.zeros_like(expected).index_put((endless.routes.token, endless.routes.expert), endless.routes.weight)
    assert torch.allclose(found, expected)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.sampled_from(FILLS), st.booleans())
def test_permuting_tokens_permutes_the_plan(seed: int, k: int, fill: str, rectify: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = torch.softmax(torch.randn(2, 8, 4, generator=generator, dtype=torch.float64), -1)
    order = torch.randperm(8, generator=generator)
    rules = Rules(k=k, capacity=1.0, fill=fill, rectify=rectify)  # type: ignore[arg-type]
    one, other = route(p, rules), route(p[:, order], rules)
    for name in ("routes", "refused", "stand_ins"):
        moved = {(rank, int(order[token]), expert) for rank, token, expert in triples(other, getattr(other, name))}
        assert moved == triples(one, getattr(one, name))


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_with_a_slot_a_choice_drops_equal_padding(a_share: int, k: int, seed: int) -> None:
    p = torch.softmax(torch.randn(2, 4 * a_share, 4, generator=torch.Generator().manual_seed(seed)), -1)
    plan = route(p, Rules(k=k, capacity=k))
    assert int(plan.padding.sum()) == len(plan.refused.token) and plan.drop_rate == pytest.approx(plan.padding_rate)


@pytest.mark.parametrize(
    "tokens, experts, capacity, slots",
    [(100, 2, 1.1, 55), (96, 8, 5 / 3, 20), (7, 4, 1.0, 2), (4, 4, 0.25, 1), (4, 8, 1e-9, 1), (16384, 8, 1, 2048)],
)
def test_capacity_is_rational(tokens: int, experts: int, capacity: float, slots: int) -> None:
    assert Rules(capacity=capacity).slots(tokens, experts) == slots


def test_the_gradient_is_the_straight_through_one() -> None:
    """dw_j = dp_j / sum of kept p, in each of the routes, softmax's own derivative included."""
    logits = torch.randn(2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    plan = route(Request.softmax(logits), Rules(k=2, capacity=1.0, fill="own", rectify=True))
    upstream = (
        torch.randn(len(plan.routes.weight), dtype=torch.float64),
        torch.randn(len(plan.stand_ins.weight), dtype=torch.float64),
    )
    (upstream[0] @ plan.routes.weight + upstream[1] @ plan.stand_ins.weight).backward()
    p, by_hand = torch.softmax(logits.detach(), -1).flatten(0, 1), torch.zeros(12, 4, dtype=torch.float64)
    for pairs, grads in zip((plan.routes, plan.stand_ins), upstream, strict=True):
        for token, expert, weight, grad in zip(pairs.token, pairs.expert, pairs.weight.detach(), grads, strict=True):
            by_hand[token] += grad * weight * (torch.eye(4)[expert] - p[token])
    assert torch.allclose(logits.grad.flatten(0, 1), by_hand)


def test_without_detaching_the_gradient_is_that_of_the_quotient() -> None:
    logits = torch.randn(1, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    rules = Rules(k=2, capacity=2.0, fill="off", rectify=True, detach=False)
    plan = route(Request.softmax(logits), rules)
    assert torch.autograd.gradcheck(lambda a: route(Request.softmax(a), rules).routes.weight, logits)
    for token in range(5):
        parts = (
            plan.routes.weight[plan.routes.token == token].sum() + plan.stand_ins.weight[plan.stand_ins.token == token].sum()
        )
        assert not torch.autograd.grad(parts, logits, retain_graph=True)[0].abs().max() > 1e-12


def test_an_impossible_route_still_weighs_one() -> None:
    local = route(torch.tensor([[[0.0, 1.0]] * 2, [[0.0, 1.0]] * 2]), Rules(k=1, capacity=1.0, rectify=True))
    assert triples(local, local.stand_ins) == {(0, 1, 0), (1, 1, 1)} and local.stand_ins.weight.tolist() == [1.0, 1.0]


def test_padding_asks_for_nothing() -> None:
    p = torch.softmax(torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)), -1)
    mask = torch.tensor([[True] * 5, [True, True, False, True, False]])
    rules = Rules(k=2, capacity=2.0, fill="own", rectify=True)
    plan = route(Request(p, mask=mask), rules)
    alone = route(Request(p[1:, mask[1]].repeat(2, 1, 1)), replace(rules, capacity=2.0 * 5 / 3))
    assert alone.slots == plan.slots
    real = mask[1].nonzero().squeeze(1).tolist()
    expected = {(1, real[token], expert) for rank, token, expert in triples(alone, alone.routes) if rank == 1}
    assert {row for row in triples(plan, plan.routes) if row[0] == 1} == expected
    assert not {7, 9} & set(plan.stand_ins.token.tolist())


def test_a_mass_is_kept_and_biases_only_choose() -> None:
    p = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(1))
    mass = torch.rand(2, 6, generator=torch.Generator().manual_seed(2)) + 0.5
    by = p + torch.tensor([5.0, 0.0, 0.0, -torch.inf])
    plan = route(Request(p, choose_by=by, mass=mass), Rules(k=2, capacity=1.0, fill="own", rectify=True))
    total = torch.zeros(12).index_add(0, plan.routes.token, plan.routes.weight)
    total = total.index_add(0, plan.stand_ins.token, plan.stand_ins.weight)
    assert torch.allclose(total, mass.flatten())
    assert int(plan.demand[:, 0].sum()) == 12 and 3 not in plan.routes.expert.tolist()


def test_random_order_is_the_seeds_which_each_pass_draws() -> None:
    p = torch.softmax(torch.randn(1, 64, 4, generator=torch.Generator().manual_seed(0)), -1)
    rules, generator = Rules(k=1, capacity=0.5, order="random", seed=7), torch.Generator().manual_seed(7)
    one, other = route(p, with_drawn_seed(rules, generator)), route(p, with_drawn_seed(rules, generator))
    assert one.rules.seed != other.rules.seed and not torch.equal(one.routes.token, other.routes.token)
    assert torch.equal(route(p, one.rules).routes.token, one.routes.token)
    still = Rules(k=1, capacity=0.5, seed=7)
    assert with_drawn_seed(still, generator) is still


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(0, 1), st.sampled_from(["own", "top1"]), st.booleans())
def test_where_experts_are_excluded_a_token_has_none_of_them_and_no_expert_twice(
    seed: int, k: int, more: int, fill: str, rectify: bool
) -> None:
    """Each token may ask k experts, as where DeepSeek's groups hold k, or one more, which a fill-in may take."""
    rng = np.random.default_rng(seed)
    p = torch.softmax(torch.from_numpy(rng.normal(size=(2, 6, 6))), -1)
    allowed = torch.from_numpy(rng.permuted(np.tile(np.arange(6), (2, 6, 1)), axis=2) < k + more)
    request = Request(p, p.masked_fill(~allowed, -torch.inf))
    plan = route(request, Rules(k, 9.0, fill=fill, rectify=rectify))  # type: ignore[arg-type]
    pairs = {(token, expert) for token, expert in allowed.flatten(0, 1).nonzero().tolist()}
    asked = list(zip(plan.routes.token.tolist(), plan.routes.expert.tolist(), strict=True))
    assert len(asked) == len(set(asked)) and set(asked) == pairs and not len(plan.stand_ins.token)
    assert int(plan.routes.filled.sum()) == 12 * more


def test_a_fill_in_is_no_expert_that_the_token_already_has() -> None:
    p = torch.tensor([[[0.4, 0.3, 0.2, 0.1]]])
    by = torch.tensor([[[0.4, 0.3, -torch.inf, -torch.inf]]])
    plan = route(Request(p, by), Rules(2, 9.0, fill="own"))
    assert plan.routes.expert.tolist() == [0, 1] and plan.routes.weight.tolist() == pytest.approx([4 / 7, 3 / 7])


def test_equal_scores_choose_the_lower_expert() -> None:
    assert best(torch.tensor([[1.0, 3.0, 3.0, 1.0]]), 4).tolist() == [[1, 2, 0, 3]]


@pytest.mark.parametrize(
    "work, told",
    [
        (lambda: route(EXAMPLE, Rules(k=5)), "k 5 is more than the 4 experts there are; accepted is 1 to 4"),
        (lambda: Rules(capacity=0), "capacity 0 is refused; accepted is a number above 0"),
        (lambda: Rules(capacity=-1.5), "capacity -1.5 is refused"),
        (lambda: Rules(capacity=math.nan), "capacity nan is refused"),
        (lambda: Rules(k=0), "k 0 is refused"),
        (lambda: Rules(fill="both"), "fill 'both' is unknown; accepted are off, own, top1"),  # type: ignore[arg-type]
        (lambda: Request(torch.ones(3, 2, 4)), "4 experts cannot be divided among 3 ranks"),
        (lambda: Request(torch.ones(3, 2)), r"scores of shape \[3, 2\] are refused; accepted is \[rank, token, expert\]"),
        (
            lambda: Request.softmax(torch.tensor([[[0.0, 1.0], [math.nan, 0.0]]])),
            "router score nan of rank 0, token 1, expert 0 is refused; accepted are finite logits",
        ),
        (lambda: Request(torch.tensor([[[0.5, -0.5]]])), "router score -0.5 of rank 0, token 0, expert 1 is refused"),
    ],
)
def test_what_cannot_be_is_refused(work: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        work()  # type: ignore[operator]
