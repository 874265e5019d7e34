"""Does attention know syntax? A probe that reads a word's governor off the attention of all heads (Clark et al. 2019).

Their attention-and-words probe (arXiv 1906.04341, section 5), by which Ren et al. show that heads of a decoder know
dependencies (arXiv 2402.13055, section 3). With frozen attention a^k of head k, word vectors v, and (v_i, v_j) joined,

    p(i governs j) ~ exp sum_k  W_k . (v_i, v_j) a^k_ij  +  U_k . (v_i, v_j) a^k_ji

over all positions i of the sentence but j. Only W and U are trained.

Ours: word vectors are the model's input embeddings on their first principal components over the training sentences, with
a constant one beside them; attention without words is the same probe with the one alone. Two baselines see no attention:
words with their offset (v_i M v_j plus a weight for each i - j), and the offset alone (the commonest one in training that
stays in the sentence). The trained three are penalised multinomial regressions; a quarter of the training sentences
chooses the penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.heads.index.batches import by_length, make_batch
from interp.heads.index.layers import LayerReader, LayerReading, layer_reader
from interp.heads.relations.aligned import AlignedDocument
from interp.heads.relations.dependencies import ANY_SUBTYPE, RelationMap, Scheme
from interp.runs.errors import UserError

if TYPE_CHECKING:
    from interp.models.bridge import LanguageModel

PENALTIES = (1e-4, 1e-2)
"""On the sum of squared weights, in nats a word."""
_EPOCHS, _BATCH = 20, 20
_RATE = 0.1
"""Of Adam for one dimension of words; it falls with their square root."""
_FARTHEST = 10
"""Offsets beyond share a weight."""


@dataclass(frozen=True)
class ProbeOptions:
    """Sizes of the probe. Raises UserError for sizes that leave nothing to train or test."""

    train: int = 200
    """Sentences; as many as in arXiv 2402.13055."""
    test: int = 100
    longest: int = 31
    """Tokens of a sentence. Patterns take 4 longest^2 bytes a sentence and head: 0.3 GB for 300 sentences, 270 heads."""
    dimensions: int = 50
    """Of the word vectors; Clark et al. take GloVe's 300 with two hundred times as many sentences."""
    resamples: int = 1_000
    """Bootstrap samples of test sentences."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.train, self.test, self.dimensions, self.longest - 1, self.resamples) < 1:
            raise UserError(
                f"a probe of these sizes is refused: {self}; accepted are numbers from 1, sentences from 2 tokens"
            )


DEFAULT = ProbeOptions()


class Sentences(NamedTuple):
    """Padded sentences with all that a probe reads."""

    pattern: Float[Tensor, "sentence query head key"]
    """Heads of all layers, one after the other."""
    words: Float[Tensor, "sentence pos dim"]
    """The last dimension is one everywhere."""
    governor: Int[Tensor, "sentence pos"]
    """-1 at a position that is no dependent."""
    candidate: Bool[Tensor, "sentence governor dependent"]
    """Positions of the sentence other than the dependent."""

    def take(self, chosen: Int[Tensor, " chosen"] | slice) -> Sentences:
        """Some of the sentences; a slice copies nothing."""
        return Sentences(*(part[chosen] for part in self))


Probe = Callable[[Sentences], Float[Tensor, "sentence governor dependent"]]
"""Gives every candidate a score."""


def every_dependency(scheme: Scheme) -> RelationMap:
    """All labels of a scheme as one relation, for `interp.heads.relations.dependencies.dependency_relations`."""
    subtypes = [f"{label}{ANY_SUBTYPE}" for label in scheme.labels] if scheme.subtypes else []
    return {"any": sorted([*scheme.labels, *subtypes])}


def attention_probe(
    model: LanguageModel, documents: Sequence[AlignedDocument], options: ProbeOptions = DEFAULT
) -> pd.DataFrame:
    """Train the probe and its baselines on some sentences and test them on others.

    Args:
        documents: aligned sentences whose triplets are dependencies, best with all of them (`every_dependency`). A
            dependent with several governors, which only parts of words are, is not asked for.

    Returns:
        Columns probe, accuracy (share of test dependents whose governor gets the highest score), low and high (95 %
        bootstrap interval over sentences), sentences, dependents.

    Raises:
        UserError: if there are fewer different short sentences than the options ask for.
    """
    train, test = _split(documents, options)
    reader = layer_reader(model, "resid")
    found = gather(reader, [*train, *test], options)
    seen, unseen = found.take(slice(len(train))), found.take(slice(len(train), None))
    hits = {name: _hits(probe(unseen), unseen) for name, probe in train_probes(seen, options).items()}
    return _table(hits, unseen, options)


def _split(
    documents: Sequence[AlignedDocument], options: ProbeOptions
) -> tuple[list[AlignedDocument], list[AlignedDocument]]:
    """Training and test sentences, none in both."""
    short = {
        tuple(one.tokens.tolist()): one
        for one in documents
        if len(one.tokens) <= (width := options.longest) and _governors(one, width).max() >= 0
    }
    if len(short) < (needed := options.train + options.test):
        raise UserError(
            f"the probe needs {options.train} + {options.test} different sentences of at most {options.longest} tokens with "
            f"a dependency; found {len(short)} of {len(documents)}, accepted is a train and test size of that sum or less"
        )
    chosen = np.random.default_rng(options.seed).permutation(len(short))[:needed]
    drawn = [list(short.values())[number] for number in chosen]
    return drawn[: options.train], drawn[options.train :]


def gather(reader: LayerReader, documents: Sequence[AlignedDocument], options: ProbeOptions) -> Sentences:
    """Attention, words and governors of sentences; the first `options.train` decide the principal components."""
    device, network = reader.network.embedding.device, reader.network
    heads, count, width = len(network.layers[0].attention.W_Q), len(documents), options.longest
    pattern = torch.zeros(count, width, heads * len(network.layers), width, device=device)
    place = {id(document): number for number, document in enumerate(documents)}
    for group in by_length(documents):
        numbers = torch.tensor([place[id(document)] for document in group], device=device)

        def keep(reading: LayerReading, numbers: Tensor = numbers) -> None:
            size = reading.pattern.shape[-1]
            mine = slice(reading.layer * heads, (reading.layer + 1) * heads)
            pattern[numbers, :size, mine, :size] = reading.pattern.transpose(1, 2).to(pattern.dtype)

        reader.visit(make_batch(group, device).tokens, keep)
    tokens = torch.full((count, width), -1, device=device)
    for row, document in zip(tokens, documents, strict=True):
        row[: len(document.tokens)] = document.tokens.to(device)
    inside, same = tokens >= 0, torch.eye(width, dtype=torch.bool, device=device)
    words = _word_vectors(network.embedding[tokens.clamp(min=0)].float(), inside, options)
    governor = torch.stack([_governors(document, width) for document in documents]).to(device)
    return Sentences(pattern, words, governor, inside[:, :, None] & inside[:, None, :] & ~same)


def _word_vectors(
    embedded: Float[Tensor, "sentence pos d_model"], inside: Bool[Tensor, "sentence pos"], options: ProbeOptions
) -> Float[Tensor, "sentence pos dim"]:
    """Principal components of unit variance on average, and one."""
    known = embedded[: options.train][inside[: options.train]]
    centre = known.mean(0)
    _, spread, axes = torch.linalg.svd(known - centre, full_matrices=False)
    kept = slice(options.dimensions)
    scale = spread[kept].mean() / len(known) ** 0.5
    return nn.functional.pad((embedded - centre) @ axes[kept].T / scale, (0, 1), value=1.0)


def _governors(document: AlignedDocument, width: int) -> Int[Tensor, " pos"]:
    found: dict[int, set[int]] = {}
    for triplet in document.triplets:
        for governor, dependent in triplet.pairs:
            found.setdefault(dependent, set()).add(governor)
    row = torch.full((width,), -1)
    for dependent, governors in found.items():
        if len(governors) == 1:
            row[dependent] = governors.pop()
    return row


class AttentionProbe(nn.Module):
    """The probe's formula; with words of one dimension, attention alone."""

    def __init__(self, dimensions: int, heads: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(4, dimensions, heads))
        """W's part for v_i and for v_j, and U's."""

    def forward(self, sentences: Sentences) -> Float[Tensor, "sentence governor dependent"]:
        """Scores."""
        words = sentences.words[..., -self.weights.shape[1] :]
        w_i, w_j, u_i, u_j = torch.einsum("spd,ndk->nspk", words, self.weights)
        # Of a query position: as the governor with W, as the dependent with U. Of a key position: the other way round.
        query = torch.stack([w_i, u_j], 2) @ sentences.pattern
        key = torch.stack([u_i, w_j], 2) @ sentences.pattern.transpose(1, 3)
        as_governor, as_dependent = (query + key).unbind(2)
        return as_governor + as_dependent.mT


class WordsProbe(nn.Module):
    """Words and their offset, without attention."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.pairs = nn.Parameter(torch.zeros(dimensions, dimensions))
        self.offsets = nn.Parameter(torch.zeros(2 * _FARTHEST + 1))

    def forward(self, sentences: Sentences) -> Float[Tensor, "sentence governor dependent"]:
        """Scores."""
        far = _offsets(sentences).clamp(-_FARTHEST, _FARTHEST) + _FARTHEST
        return sentences.words @ self.pairs @ sentences.words.mT + self.offsets[far]


def _offsets(sentences: Sentences) -> Int[Tensor, "governor dependent"]:
    """i - j."""
    position = torch.arange(sentences.governor.shape[1], device=sentences.governor.device)
    return position[:, None] - position


def train_probes(sentences: Sentences, options: ProbeOptions = DEFAULT) -> dict[str, Probe]:
    """The probe and its baselines by name, the probe first."""
    dimensions, heads = sentences.words.shape[-1], sentences.pattern.shape[2]
    makers: dict[str, Callable[[], nn.Module]] = {
        "attention and words": lambda: AttentionProbe(dimensions, heads),
        "attention": lambda: AttentionProbe(1, heads),
        "words and offset": lambda: WordsProbe(dimensions),
    }
    trained: dict[str, Probe] = {name: _with_best_penalty(make, sentences, options) for name, make in makers.items()}
    return {**trained, "offset": _commonest_offset(sentences)}


def _with_best_penalty(make: Callable[[], nn.Module], sentences: Sentences, options: ProbeOptions) -> nn.Module:
    cut = max(1, 3 * len(sentences.governor) // 4)
    rest, judged = sentences.take(slice(cut)), sentences.take(slice(cut, None))

    def right(penalty: float) -> float:
        return _hits(_fit(make(), rest, penalty, options.seed)(judged), judged).sum()

    return _fit(make(), sentences, max(PENALTIES, key=right), options.seed)


def _fit(probe: nn.Module, sentences: Sentences, penalty: float, seed: int) -> nn.Module:
    """Adam with a rate that falls to zero, from weights of zero: the loss is convex, no start is better."""
    weights = [*probe.to(sentences.words.device).parameters()]
    optimizer = torch.optim.Adam(weights, lr=_RATE / weights[0].shape[-2] ** 0.5)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=_EPOCHS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_EPOCHS):
        for chosen in torch.randperm(len(sentences.governor), generator=generator).split(_BATCH):
            batch = sentences.take(chosen)
            scores = probe(batch).masked_fill(~batch.candidate, float("-inf")).mT
            asked = batch.governor >= 0
            squares = torch.stack([one.square().sum() for one in weights]).sum()
            loss = nn.functional.cross_entropy(scores[asked], batch.governor[asked]) + penalty * squares
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return probe.requires_grad_(False)


def _commonest_offset(sentences: Sentences) -> Probe:
    width = sentences.governor.shape[1]
    sentence, dependent = (sentences.governor >= 0).nonzero(as_tuple=True)
    offset = sentences.governor[sentence, dependent] - dependent
    counts = torch.bincount(offset + width, minlength=2 * width).float()
    return lambda others: counts[_offsets(others) + width].expand_as(others.candidate)


def _hits(scores: Float[Tensor, "sentence governor dependent"], sentences: Sentences) -> Int[np.ndarray, " sentence"]:
    """How many governors of each sentence get the highest score of all candidates."""
    best = scores.masked_fill(~sentences.candidate, float("-inf")).argmax(1)
    return ((best == sentences.governor) & (sentences.governor >= 0)).sum(1).cpu().numpy()


def _table(hits: dict[str, np.ndarray], sentences: Sentences, options: ProbeOptions) -> pd.DataFrame:
    asked = (sentences.governor >= 0).sum(1).cpu().numpy()
    generator = np.random.default_rng(options.seed)
    weights = generator.multinomial(len(asked), np.full(len(asked), 1 / len(asked)), size=options.resamples)
    rows = []
    for probe, right in hits.items():
        low, high = np.quantile((weights @ right) / (weights @ asked), [0.025, 0.975])
        accuracy = {"accuracy": right.sum() / asked.sum(), "low": low, "high": high}
        rows.append({"probe": probe, **accuracy, "sentences": len(asked), "dependents": int(asked.sum())})
    return pd.DataFrame(rows)
