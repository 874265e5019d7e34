"""Routing plans: what tokens asked for, what capacity allowed, and what rectification repaired (arXiv 2402.12399).

`route` is one pure function of scores and rules. It goes as the authors' code does:

1. Every token chooses its k best experts. A rank (a GPU of the expert-parallel group) may send C = ceil(S c_eff / E) of
   its S tokens to each of the E experts; what other ranks do plays no part.
2. First choices are placed before second ones, and so on. Among equal choices the token with the higher top-1
   probability goes first (batch-prioritised). A choice that finds no slot is refused.
3. Fill-in rectification (FR): (k+1)-th choices may use slots that are still free.
4. Intra-GPU rectification (IR): a token with n < k routes also goes to the best expert of its own rank, which stands in
   for the k - n that are missing, without a slot and without communication.
5. Weights are p / sg(sum of p over the token's routes, its stand-in counted k - n times), sg being stop-gradient.

All choices in the order in which they are served make one list. Sorted stably by (expert, rank), the place of a choice in
its group is its slot: the cost is that of a sort, and no tensor [token, expert, slot] is ever built. Ties go to the lower
index. The abstract states the two rectifications; the order, the weights and what `Rules` calls the code's are the
published code's. Our choice: scores are floored at the smallest normal number, where the code clamps the denominator at
the machine epsilon; so weights sum to 1 however unlikely the only route of a token is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.runs.errors import UserError
from training.moe.ranks import check_ranks
from training.moe.rules import Rules

Counts = Int[Tensor, "rank expert"]


@dataclass(frozen=True)
class Request:
    """What a router says of the tokens of every rank. Raises UserError for numbers no router gives."""

    scores: Float[Tensor, "rank token expert"]
    """Softmax over all experts, or sigmoids: what weights are proportional to. Expert e lives on rank e // (E / ranks)."""
    choose_by: Float[Tensor, "rank token expert"] | None = None
    """What choices are made by, where not by the scores (biases, groups); -inf excludes an expert."""
    mask: Bool[Tensor, "rank token"] | None = None
    """False for padding, which asks for nothing (but counts in S, as buffers have one size)."""
    mass: Float[Tensor, "rank token"] | None = None
    """Sum of a token's weights, a constant to the gradient; 1 where not given."""
    place: tuple[int, int] | None = None
    """Number of the first rank that is here, and ranks in all, where a process has the tokens of some ranks alone."""

    def __post_init__(self) -> None:
        if self.scores.ndim != 3 or 0 in self.scores.shape:
            raise UserError(f"scores of shape {list(self.scores.shape)} are refused; accepted is [rank, token, expert]")
        experts, ranks = self.scores.shape[2], self.place[1] if self.place else len(self.scores)
        check_ranks(experts, ranks)
        found = self.scores.detach()
        self._refuse(found, ~(found.isfinite() & (found >= 0)))
        if self.choose_by is not None:
            self._refuse(self.choose_by.detach(), self.choose_by.detach().isnan())

    @classmethod
    def softmax(cls, logits: Float[Tensor, "rank token expert"], mask: Bool[Tensor, "rank token"] | None = None) -> Request:
        """Scores of a softmax router, in float32 or better."""
        return cls(scores_of(logits, "softmax"), mask=mask)

    @staticmethod
    def _refuse(values: Tensor, wrong: Tensor) -> None:
        if wrong.any():
            rank, token, expert = (int(place) for place in wrong.nonzero()[0])
            told = f"router score {float(values[rank, token, expert])} of rank {rank}, token {token}, expert {expert}"
            raise UserError(f"{told} is refused; accepted are finite logits, or probabilities from 0")

    def flat(self) -> Float[Tensor, "token expert"]:
        """Scores of all ranks' tokens, numbered through, at least the smallest normal number."""
        return self.scores.flatten(0, 1).clamp(min=torch.finfo(self.scores.dtype).tiny)

    def preferences(self) -> Float[Tensor, "token expert"]:
        """What choices are made by, of all ranks' tokens, without gradient."""
        return (self.scores if self.choose_by is None else self.choose_by).detach().flatten(0, 1)

    def real(self) -> Bool[Tensor, " token"]:
        """Whether a token, numbered through, is none of the padding."""
        whole = torch.ones(self.scores.shape[:2], dtype=torch.bool, device=self.scores.device)
        return (whole if self.mask is None else self.mask).flatten()


def scores_of(logits: Float[Tensor, "*batch expert"], scoring: str) -> Float[Tensor, "*batch expert"]:
    """Scores of a router's logits, `softmax` or `sigmoid`, in float32 or better."""
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return exact.sigmoid() if scoring == "sigmoid" else torch.softmax(exact, -1)


class Choices(NamedTuple):
    """Pairs of token and expert. Tokens are numbered through: rank * S + place."""

    token: Int[Tensor, " choice"]
    expert: Int[Tensor, " choice"]
    choice: Int[Tensor, " choice"]
    """0 for a token's first choice."""

    def at(self, which: Tensor) -> Choices:
        """Some of them, by mask or by number."""
        return Choices(*(column[which] for column in self))


class Routes(NamedTuple):
    """Choices that have a slot, ordered by expert, rank and slot."""

    token: Int[Tensor, " route"]
    expert: Int[Tensor, " route"]
    choice: Int[Tensor, " route"]
    slot: Int[Tensor, " route"]
    """Below C, in the buffer of the token's rank for the expert."""
    filled: Bool[Tensor, " route"]
    """Whether it uses a slot that would have been padding (FR)."""
    weight: Float[Tensor, " route"]
    """Share in the token's output."""


class StandIns(NamedTuple):
    """Experts of a token's own rank that stand in for missing routes (IR), ordered by token. They use no slot."""

    token: Int[Tensor, " token"]
    expert: Int[Tensor, " token"]
    weight: Float[Tensor, " token"]
    """Share in the token's output."""


@dataclass(frozen=True)
class RoutingPlan:
    """Where every token goes, with which weight; counts are of each rank's tokens at each expert."""

    rules: Rules
    tokens: int
    """S, of each rank."""
    shape: tuple[int, int]
    """Ranks, experts."""
    slots: int
    """C."""
    routes: Routes
    refused: Choices
    """Choices up to the k-th that found no slot, before FR and IR."""
    stand_ins: StandIns
    real: Bool[Tensor, " token"]
    """Whether a token, numbered through, is none of the padding."""

    @property
    def kept(self) -> Counts:
        """Choices up to the k-th that have a slot."""
        return self._count(self.routes.token[~self.routes.filled], self.routes.expert[~self.routes.filled])

    @property
    def filled(self) -> Counts:
        """Slots that fill-ins use."""
        return self._count(self.routes.token[self.routes.filled], self.routes.expert[self.routes.filled])

    @property
    def dropped(self) -> Counts:
        """Choices up to the k-th that were refused at placement."""
        return self._count(self.refused.token, self.refused.expert)

    @property
    def demand(self) -> Counts:
        """Choices up to the k-th: kept + dropped."""
        return self.kept + self.dropped

    @property
    def padding(self) -> Counts:
        """Slots that stay empty: kept + filled + padding = slots."""
        return self.slots - self._count(self.routes.token, self.routes.expert)

    @property
    def rectified(self) -> Counts:
        """Rows that stand-ins add, on the token's own rank."""
        return self._count(self.stand_ins.token, self.stand_ins.expert)

    @property
    def drop_rate(self) -> float:
        """Refused choices over choices."""
        kept = int((~self.routes.filled).sum())
        return len(self.refused.token) / max(1, kept + len(self.refused.token))

    @property
    def padding_rate(self) -> float:
        """Empty slots over slots."""
        return 1 - len(self.routes.token) / (self.slots * self.shape[0] * self.shape[1])

    def rank(self, token: Int[Tensor, " choice"]) -> Int[Tensor, " choice"]:
        """Ranks of tokens that are numbered through."""
        return token // self.tokens

    def routes_of_tokens(self) -> Int[Tensor, "rank token"]:
        """n: routes of every token, stand-ins not counted."""
        return torch.bincount(self.routes.token, minlength=self.shape[0] * self.tokens).view(self.shape[0], -1)

    def _count(self, token: Tensor, expert: Tensor) -> Counts:
        ranks, experts = self.shape
        return torch.bincount(self.rank(token) * experts + expert, minlength=ranks * experts).view(ranks, experts)


def with_drawn_seed(rules: Rules, generator: torch.Generator) -> Rules:
    """The rules of one pass: order `random` has a seed of its own in each, which its plan then tells."""
    if rules.order != "random":
        return rules
    return replace(rules, seed=int(torch.randint(2**53, (), generator=generator)))


def route(scores: Float[Tensor, "rank token expert"] | Request, rules: Rules) -> RoutingPlan:
    """The plan of the top-k router with these rules; probabilities alone will do (`Request.softmax` takes logits).

    Raises UserError for k above the number of experts, and as `Request` does.
    """
    request = scores if isinstance(scores, Request) else Request(scores)
    ranks, tokens, experts = request.scores.shape
    if rules.k > experts:
        raise UserError(f"k {rules.k} is more than the {experts} experts there are; accepted is 1 to {experts}")
    served = _in_serving_order(request, rules)
    cell = served.expert * ranks + served.token // tokens
    cell, by_cell = torch.sort(cell, stable=True)
    served, sizes = served.at(by_cell), torch.bincount(cell, minlength=ranks * experts)
    slot = torch.arange(len(cell), device=cell.device) - (sizes.cumsum(0) - sizes)[cell]
    slots = rules.slots(tokens, experts) or max(1, int(_demand(cell, served, rules)))
    inside = slot < slots
    refused = served.at(~inside & (served.choice < rules.k))
    return complete(request, rules, slots, served.at(inside), slot[inside], refused)


def complete(
    request: Request, rules: Rules, slots: int, placed: Choices, slot: Int[Tensor, " choice"], refused: Choices
) -> RoutingPlan:
    """The plan of choices that have slots (ordered by expert, rank and slot): IR and the weights are added."""
    ranks, tokens, experts = request.scores.shape
    scores = request.flat()
    counts = torch.bincount(placed.token, minlength=ranks * tokens)
    token, times = _unmet(counts, request, rules)
    stand_in = _best_of_own_rank(scores.detach(), token, token // tokens, request.place or (0, ranks))
    shares = scores[placed.token, placed.expert], times * scores[token, stand_in]
    total = scores.new_zeros(ranks * tokens).index_add(0, placed.token, shares[0]).index_add(0, token, shares[1])
    total = total.detach() if rules.detach else total
    if request.mass is not None:
        total = total / request.mass.detach().flatten().to(total.dtype)
    weights = [share / total[where] for share, where in zip(shares, (placed.token, token), strict=True)]
    routes = Routes(*placed, slot, placed.choice >= rules.k, weights[0])
    stand_ins = StandIns(token, stand_in, weights[1])
    return RoutingPlan(rules, tokens, (ranks, experts), slots, routes, refused, stand_ins, request.real())


def best(preferences: Float[Tensor, "token expert"], count: int) -> Int[Tensor, "token choice"]:
    """The `count` best experts of every token, best first; of equals the lower number first, as torch.topk does not.

    Those at -inf come last, and their numbers say nothing.
    """
    left = preferences.clone()
    found = torch.empty(len(left), count, dtype=torch.long, device=left.device)
    for choice in range(count):
        found[:, choice] = left.argmax(1)
        left.scatter_(1, found[:, choice, None], -torch.inf)
    return found


def _in_serving_order(request: Request, rules: Rules) -> Choices:
    """All choices of all tokens, those first that are placed first."""
    preferences, scores = request.preferences(), request.flat().detach()
    chosen = best(preferences, min(rules.gate, preferences.shape[1]))
    order = _order(scores, rules)
    orders = [order] * chosen.shape[1]
    if rules.fill == "own" and chosen.shape[1] > rules.k:
        own = scores.gather(1, chosen[:, rules.k :]).squeeze(1)
        orders[rules.k] = own.sort(descending=True, stable=True).indices
    token = torch.cat(orders)
    choice = torch.arange(len(orders), device=token.device).repeat_interleave(len(scores))
    served = Choices(token, chosen[token, choice], choice)
    if request.mask is None and request.choose_by is None:
        return served
    allowed = (preferences > -torch.inf).sum(1)
    return served.at(request.real()[token] & (choice < allowed[token]))


def _order(scores: Tensor, rules: Rules) -> Int[Tensor, " token"]:
    """Tokens, those first that are served first. Across ranks the order does not matter."""
    if rules.order == "position":
        return torch.arange(len(scores), device=scores.device)
    if rules.order == "random":
        return torch.randperm(len(scores), generator=torch.Generator().manual_seed(rules.seed)).to(scores.device)
    return scores.amax(1).sort(descending=rules.order == "confidence", stable=True).indices


def _demand(cell: Int[Tensor, " choice"], served: Choices, rules: Rules) -> Tensor:
    """Most choices up to the k-th that one rank has for one expert."""
    return torch.bincount(cell[served.choice < rules.k], minlength=1).max()


def _unmet(counts: Int[Tensor, " token"], request: Request, rules: Rules) -> tuple[Tensor, Tensor]:
    """Tokens that IR serves, and how many missing routes each stand-in counts for."""
    if not rules.rectify:
        return counts.new_empty(0), counts.new_empty(0)
    below = {"unmet": rules.k, "all": 1, "any": rules.gate, "ignore_kth": rules.gate - 1}[rules.unrouted]
    whole = rules.gate if rules.scale == "code" or rules.unrouted == "any" else rules.k
    token = ((counts < below) & (counts < whole) & request.real()).nonzero().squeeze(1)
    return token, whole - counts[token]


def _best_of_own_rank(scores: Tensor, token: Tensor, rank: Tensor, place: tuple[int, int]) -> Int[Tensor, " token"]:
    first, ranks = place
    local = scores.shape[1] // ranks
    own = (rank[:, None] + first) * local + torch.arange(local, device=token.device)
    return own.gather(1, scores[token].gather(1, own).argmax(1, keepdim=True)).squeeze(1)
