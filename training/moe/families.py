"""The routers of Hugging Face's mixtures of experts: what each makes of its logits, so that a plan can be made of them.

In transformers 5 the gate of every family returns logits, weights and experts. They differ in the score (a softmax over
all experts, or sigmoids), in what experts are chosen by (a bias, groups of experts), and in the sum of a token's weights:
1 in Mixtral, the top-k mass itself in OLMoE and Qwen2-MoE, scaled in DeepSeek. Here the scores are the family's, its own
experts come first, and the sum of its weights is the mass that the plan hands out again. So at no drop the weights are
the family's own, and whatever was dropped, a token's experts get what its family would have given them.

Our choice: a fill-in's expert is taken from the groups that DeepSeek limits a token to; a stand-in (of the token's own
rank, so without the communication that groups are there to bound) from all experts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.runs.errors import UserError
from training.moe.decoder import layer_number
from training.moe.plan import best, scores_of

Scores = Float[Tensor, "token expert"]

SUPPORTED = "Mixtral, Qwen2-MoE, Qwen3-MoE, OLMoE, DeepSeek-V2 and DeepSeek-V3 as transformers 5 has them"
"""For people."""


class Family(NamedTuple):
    """How a family's router comes from logits to experts."""

    scoring: str
    """softmax or sigmoid: what weights are proportional to."""
    choose_by: Callable[[Any, Scores], Scores | None] = lambda gate, scores: None
    """(gate, scores) -> what experts are chosen by, -inf excluding one; None where it is the scores."""


class Gate(NamedTuple):
    """A router within a model."""

    layer: int
    """Of the model, from 0."""
    module: Any
    family: Family

    @property
    def k(self) -> int:
        """Experts a token asks for."""
        return int(self.module.top_k)

    @property
    def experts(self) -> int:
        """Experts there are."""
        return int(self.module.num_experts)

    def scores(self, logits: Scores) -> Scores:
        """In float32 or better."""
        return scores_of(logits, self.family.scoring)

    def choose_by(self, scores: Scores, own: Int[Tensor, "token choice"]) -> Scores | None:
        """What experts are chosen by, where not by the scores. `own` are those that the gate itself chose.

        They come before all others: in bfloat16 many logits are equal, and the family's `topk` may take another of them
        than the lower index.
        """
        by = self.family.choose_by(self.module, scores.detach())
        values = scores.detach() if by is None else by
        if torch.equal(best(values, self.k).sort(1).values, own.sort(1).values):
            return by
        return _promoted(values, own)


def gates(model: nn.Module) -> list[Gate]:
    """The routers of a model, or of one of its blocks, in their order. Raises UserError for a model without any."""
    found: list[Gate] = []
    for name, module in model.named_modules():
        if family := _family(module):
            found.append(Gate(layer_number(name, len(found)), module, family))
    if not found:
        kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
        raise UserError(f"a model of type '{kind}' has no router that is known here; supported are {SUPPORTED}")
    return found


def _family(module: nn.Module) -> Family | None:
    return next((FAMILIES[kind.__name__] for kind in type(module).__mro__ if kind.__name__ in FAMILIES), None)


def _promoted(values: Scores, own: Int[Tensor, "token choice"]) -> Scores:
    """`values` with the experts in `own` raised to whole numbers above all others, the best first."""
    own = own.sort(1).values
    own = own.gather(1, values.gather(1, own).sort(dim=1, descending=True, stable=True).indices)
    steps = torch.arange(own.shape[1], 0, -1, dtype=values.dtype, device=own.device)
    return values.scatter(1, own, values.amax(1, keepdim=True).ceil() + steps)


def _of_best_experts(gate: Any, scores: Scores) -> Scores | None:
    """DeepSeek-V2: from the groups with the best expert."""
    if gate.topk_method == "greedy":
        return None
    return scores.masked_fill(~_in_groups(gate, _grouped(gate, scores).amax(-1)), -torch.inf)


def _of_best_pairs(gate: Any, scores: Scores) -> Scores:
    """DeepSeek-V3: with a bias, from the groups with the best two experts."""
    biased = scores + gate.e_score_correction_bias
    best_two = _grouped(gate, biased).topk(2, -1).values.sum(-1)
    return biased.masked_fill(~_in_groups(gate, best_two), -torch.inf)


def _grouped(gate: Any, values: Tensor) -> Float[Tensor, "token group expert"]:
    return values.view(len(values), gate.num_group, -1)


def _in_groups(gate: Any, value: Float[Tensor, "token group"]) -> Bool[Tensor, "token expert"]:
    """Experts of the `topk_group` best groups."""
    chosen = value.topk(gate.topk_group, -1).indices
    inside = torch.zeros_like(value, dtype=torch.bool).scatter(1, chosen, True)
    return inside.repeat_interleave(gate.num_experts // gate.num_group, 1)


FAMILIES: dict[str, Family] = {
    "MixtralTopKRouter": Family("softmax"),
    "Qwen2MoeTopKRouter": Family("softmax"),
    "Qwen3MoeTopKRouter": Family("softmax"),
    "OlmoeTopKRouter": Family("softmax"),
    "DeepseekV2TopkRouter": Family("softmax", _of_best_experts),
    "DeepseekV3TopkRouter": Family("sigmoid", _of_best_pairs),
}
"""By the name of the router's class, which is also what transformers records logits by."""
