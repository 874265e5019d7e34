"""Do the heads that a relation index finds matter? Ablate them, and as many random heads of the same layers.

Beyond arXiv 2402.13055, whose evidence is correlation. Two effects are measured:

- recall: how much less likely a triplet's tail becomes where it could be recalled, that is where it is mentioned again
  and a mention of the head stands before (log-probability of its token, nats; negative is a loss);
- in-context accuracy of few-shot tasks (`interp.heads.icl.accuracy`).

Sets of random heads say what any heads of these layers would do: the rank of the real set among them is a p-value that
assumes nothing. All sets see the same documents, so differences between sets are taken document by document and bootstrap
intervals are over documents.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.heads.icl.accuracy import accuracies
from interp.heads.icl.readout import Readout
from interp.heads.icl.tasks import label_tokens, prompts, tasks
from interp.heads.index.batches import by_length, make_batch
from interp.heads.index.recall import Direction
from interp.heads.relations.aligned import AlignedDocument
from interp.heads.scores.ablation import Head, Means, ablated, matched_heads, mean_outputs
from interp.runs.errors import UserError
from interp.runs.progress import Progress

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

Kind = Literal["mean", "zero"]


@dataclass(frozen=True)
class AblationOptions:
    """How heads are ablated and compared. Raises UserError for a kind that does not exist, or no draw."""

    kind: Kind = "mean"
    """What replaces a head's output: its mean over all positions of the same texts, or nothing."""
    draws: int = 20
    """Random sets. The smallest p-value is 1 / (draws + 1)."""
    resamples: int = 1_000
    """Bootstrap samples of documents."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UserError(f"there is no ablation '{self.kind}'; accepted are {', '.join(get_args(Kind))}")
        if self.draws < 1:
            raise UserError(f"{self.draws} random sets are nothing to compare with; accepted are numbers from 1")


DEFAULT = AblationOptions()


class Estimate(NamedTuple):
    """A mean over documents with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class RecallTest(NamedTuple):
    """Effect of an ablation on the tails' log-probability, in nats."""

    effect: Estimate
    """Of the heads in question."""
    excess: Estimate
    """The same minus the mean effect of the random sets."""
    rank: int
    """1 if the loss is larger than with every random set; sets that tie count against it."""
    p_value: float
    """Rank over the number of sets."""
    intact: float
    """Mean log-probability of the tails in the whole model."""
    documents: int
    occurrences: int
    sets: pd.DataFrame
    """A row a set: set (`heads` or `random 1`, ...), heads, effect, low, high."""


def recall_test(
    model: LanguageModel,
    documents: Sequence[AlignedDocument],
    heads: Collection[Head],
    *,
    relation: str | None = None,
    direction: Direction = "forward",
    options: AblationOptions = DEFAULT,
    progress: bool = True,
) -> RecallTest:
    """Effect of `heads` on recall from the context.

    Args:
        documents: aligned, best others than those that chose the heads; those with no tail to ask for are left out.
        heads: for example those of `interp.heads.index.result.head_set`.
        relation: ask for tails of this relation alone.
        direction: `reverse` asks for the head after the tail.

    Raises:
        UserError: if no document has a tail that could be recalled, or the heads are refused by `matched_heads`.
    """
    sets = matched_heads(model, heads, options.draws, np.random.default_rng(options.seed))
    asked = [(one, found) for one in documents if (found := recallable(one, relation, direction))]
    if not asked:
        raise UserError(
            f"none of {len(documents)} documents mentions a tail again after its head"
            f"{f' for the relation {relation!r}' if relation else ''}; accepted are texts that repeat an entity"
        )
    means = mean_outputs(model, [one.tokens for one, _ in asked]) if options.kind == "mean" else None
    readout, rows = Readout(model), []
    tokens = sum(len(one.tokens) for one, _ in asked)
    with Progress(tokens * (len(sets) + 2), unit="tokens", label="ablation", enabled=progress) as told:
        for one in ((), tuple(heads), *sets):
            with ablated(model, one, means):
                rows.append(_log_probabilities(readout, asked))
            told.advance(tokens)
    return _recall_result(np.stack(rows), [tuple(heads), *sets], sum(len(found) for _, found in asked), options)


def recallable(document: AlignedDocument, relation: str | None = None, direction: Direction = "forward") -> list[int]:
    """Positions of tails that are mentioned for the second time or later, with a mention of the head before."""
    found = set()
    for triplet in document.triplets:
        if relation in (None, triplet.relation):
            pairs = triplet.pairs if direction == "forward" else tuple(pair[::-1] for pair in triplet.pairs)
            head, tail = min(s for s, _ in pairs), min(o for _, o in pairs)
            found |= {o for _, o in pairs if o > max(head, tail)}
    return sorted(found)


@torch.no_grad()
def _log_probabilities(
    readout: Readout, asked: Sequence[tuple[AlignedDocument, list[int]]]
) -> Float[np.ndarray, " document"]:
    """Mean log-probability of each document's tails."""
    positions = {id(one): found for one, found in asked}
    found: dict[int, float] = {}
    for group in by_length([one for one, _ in asked]):
        batch = make_batch(group, readout.device)
        for document, residual in zip(group, readout.residual(batch.tokens), strict=True):
            at = torch.tensor(positions[id(document)], device=residual.device)
            log_p = readout.logits(residual[at - 1]).double().log_softmax(-1)
            found[id(document)] = float(log_p[torch.arange(len(at)), document.tokens[at.cpu()]].mean())
    return np.array([found[id(one)] for one, _ in asked])


def _recall_result(
    log_p: Float[np.ndarray, "set document"], sets: Sequence[Collection[Head]], occurrences: int, options: AblationOptions
) -> RecallTest:
    """The first row is the whole model's, the second that of the heads in question."""
    effects = log_p[1:] - log_p[0]
    estimates = [_estimate(values, options) for values in effects]
    names = ["heads", *(f"random {number}" for number in range(1, len(sets)))]
    shown = [" ".join(f"{layer}.{head}" for layer, head in sorted(one)) for one in sets]
    table = pd.DataFrame(
        {"set": names, "heads": shown, **dict(zip(("effect", "low", "high"), np.transpose(estimates), strict=True))}
    )
    rank = 1 + int((effects[1:].mean(1) <= effects[0].mean()).sum())
    return RecallTest(
        estimates[0], _estimate(effects[0] - effects[1:].mean(0), options), rank, rank / len(sets),
        float(log_p[0].mean()), log_p.shape[1], occurrences, table,
    )  # fmt: skip


def _estimate(values: Float[np.ndarray, " document"], options: AblationOptions) -> Estimate:
    drawn = np.random.default_rng(options.seed).integers(len(values), size=(options.resamples, len(values)))
    low, high = np.quantile(values[drawn].mean(1), [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


class AccuracyTest(NamedTuple):
    """Effect of an ablation on few-shot tasks."""

    summary: pd.DataFrame
    """Columns task, shots, measure, intact, ablated, random (mean over the random sets), rank (1 if lower than with every
    random set; NaN where a set has no value), p_value."""
    sets: pd.DataFrame
    """Columns set (`intact`, `heads`, `random 1`, ...) and those of `interp.heads.icl.accuracy.accuracies`."""


def accuracy_test(
    model: LanguageModel,
    heads: Collection[Head],
    names: Iterable[str] | None = None,
    *,
    shots: Sequence[int] = (10,),
    count: int = 100,
    options: AblationOptions = DEFAULT,
    progress: bool = True,
) -> AccuracyTest:
    """Effect of `heads` on tasks, all sets on the same `count` prompts a task and number of shots.

    Raises UserError for a task that is not known, or heads that `matched_heads` refuses.
    """
    sets = matched_heads(model, heads, options.draws, np.random.default_rng(options.seed))
    tried = {"heads": tuple(heads)} | {f"random {number}": one for number, one in enumerate(sets, 1)}
    chosen, readout = list(tasks() if names is None else names), Readout(model)

    def measured(name: str, means: Means | None = None) -> pd.DataFrame:
        with ablated(model, tried.get(name, ()), means):
            table = accuracies(readout, chosen, shots=shots, count=count, seed=options.seed)
        told.advance(asked)
        table.insert(0, "set", name)
        return table

    asked = len(chosen) * len(shots) * count
    with Progress(asked * (1 + len(tried)), unit="prompts", label="ablation", enabled=progress) as told:
        found = [measured("intact")]
        texts = _prompt_tokens(model, chosen, shots, count, options.seed)
        means = mean_outputs(model, texts) if options.kind == "mean" else None
        found += [measured(name, means) for name in tried]
    every = pd.concat(found, ignore_index=True)
    return AccuracyTest(_summary(every), every)


def _prompt_tokens(
    model: LanguageModel, names: Sequence[str], shots: Sequence[int], count: int, seed: int
) -> list[Int[Tensor, " pos"]]:
    """The prompts that `accuracies` makes of the same arguments."""
    tokenizer, found = model.tokenizer, []
    for task in (tasks()[name] for name in names):
        end = label_tokens(task, tokenizer).end
        asked = [prompt for few in shots for prompt in prompts(task, few, count, seed, end=end)]
        found += [torch.tensor(tokenizer(prompt.text).input_ids) for prompt in asked]
    return found


def _summary(every: pd.DataFrame) -> pd.DataFrame:
    keys = ["task", "shots", "measure"]
    wide = every.pivot(index=keys, columns="set", values="value")
    random = wide.drop(columns=["intact", "heads"])
    rank = (1 + random.le(wide.heads, axis=0).sum(axis=1)).where(wide.notna().all(axis=1))
    columns = {"intact": wide.intact, "ablated": wide.heads, "random": random.mean(axis=1)}
    table = pd.DataFrame(columns | {"rank": rank, "p_value": rank / (1 + random.shape[1])})
    return table.reindex(pd.MultiIndex.from_frame(every[keys].drop_duplicates())).reset_index()
