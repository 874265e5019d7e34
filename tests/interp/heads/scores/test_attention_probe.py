"""The attention probe: its formula by loops, planted governors, and what it reads of sentences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.heads.relations.aligned import AlignedDocument, AlignedTriplet
from interp.heads.relations.dependencies import SPACY, UNIVERSAL, check_labels
from interp.heads.scores.attention_probe import (
    AttentionProbe,
    ProbeOptions,
    Sentences,
    WordsProbe,
    _hits,
    _split,
    attention_probe,
    every_dependency,
    gather,
    train_probes,
)
from interp.models.load import load
from interp.runs.errors import UserError
from tests.interp.heads.cases import RecordReader, random_network
from tests.interp.models.families import tokenizer, transformers_model

WIDTH, HEADS = 9, 6


def sentences(seed: int, count: int, *, by_word: bool = False) -> Sentences:
    """Random governors. From a dependent that stands later head 4 looks at its governor and head 2 at a wrong word, and
    in the same way 5 and 3 look from a later governor or wrong word; with `by_word` both change their roles for dependents
    of one kind of words."""
    generator = np.random.default_rng(seed)
    pattern, governor = generator.dirichlet(np.ones(WIDTH), (count, WIDTH, HEADS)), np.full((count, WIDTH), -1)
    kind = generator.integers(2, size=(count, WIDTH))
    for one, dependent in np.ndindex(count, WIDTH - 2):
        right, wrong = generator.permutation(np.delete(np.arange(WIDTH), dependent))[:2]
        governor[one, dependent] = right
        misled = by_word and kind[one, dependent]
        for seen, head in ((right, 2 if misled else 4), (wrong, 4 if misled else 2)):
            pattern[one, max(seen, dependent), head + (seen > dependent), min(seen, dependent)] = 3.0
    words = np.stack([kind, 1 - kind, np.ones_like(kind)], -1)
    candidate = np.broadcast_to(~np.eye(WIDTH, dtype=bool), (count, WIDTH, WIDTH))
    return Sentences(
        torch.tensor(pattern, dtype=torch.float32), torch.tensor(words, dtype=torch.float32),
        torch.tensor(governor), torch.tensor(candidate),
    )  # fmt: skip


def accuracies(train: Sentences, test: Sentences) -> dict[str, float]:
    asked = float((test.governor >= 0).sum())
    return {name: _hits(probe(test), test).sum() / asked for name, probe in train_probes(train).items()}


def test_the_formula_by_loops() -> None:
    some, probe = sentences(0, 2), AttentionProbe(3, HEADS)
    torch.nn.init.normal_(probe.weights, generator=torch.Generator().manual_seed(0))
    scores, (w_i, w_j, u_i, u_j) = probe(some).detach(), probe.weights.detach()
    for one in range(2):
        for i in range(WIDTH):
            for j in range(WIDTH):
                v_i, v_j = some.words[one, i], some.words[one, j]
                a_ij, a_ji = some.pattern[one, i, :, j], some.pattern[one, j, :, i]
                expected = sum(
                    (v_i @ w_i[:, k] + v_j @ w_j[:, k]) * a_ij[k] + (v_i @ u_i[:, k] + v_j @ u_j[:, k]) * a_ji[k]
                    for k in range(HEADS)
                )
                assert float(scores[one, i, j]) == pytest.approx(float(expected), abs=1e-4)


def test_the_words_baseline_by_loops() -> None:
    some, probe = sentences(0, 1), WordsProbe(3)
    for index, weights in enumerate(probe.parameters()):
        torch.nn.init.normal_(weights, generator=torch.Generator().manual_seed(index))
    scores = probe(some).detach()
    for i in range(WIDTH):
        for j in range(WIDTH):
            expected = (some.words[0, i] @ probe.pairs @ some.words[0, j] + probe.offsets[i - j + 10]).detach()
            assert float(scores[0, i, j]) == pytest.approx(float(expected), abs=1e-5)


def test_heads_that_point_at_governors_are_found() -> None:
    found = accuracies(sentences(1, 60), sentences(2, 30))
    assert list(found) == ["attention and words", "attention", "words and offset", "offset"]
    assert found["attention"] > 0.97 and found["attention and words"] > 0.97
    assert found["words and offset"] < 0.35 and found["offset"] < 0.35


def test_words_say_which_head_to_trust() -> None:
    found = accuracies(sentences(3, 80, by_word=True), sentences(4, 30, by_word=True))
    assert found["attention and words"] > 0.95 and found["attention"] < 0.75


def test_the_offset_baseline_takes_the_commonest_one_that_stays_inside() -> None:
    some = sentences(0, 3)
    governor = torch.full_like(some.governor, -1)
    governor[:, 1:6] = torch.arange(5)  # one to the left, five times a sentence
    governor[:, 0] = 2
    found = train_probes(some._replace(governor=governor))["offset"]
    assert _hits(found(some), some._replace(governor=governor)).tolist() == [6, 6, 6]


def triplet(number: int, governor: int, dependent: int) -> AlignedTriplet:
    return AlignedTriplet("any", number, ((governor, dependent),))


def test_what_is_read_of_sentences() -> None:
    network = random_network(2, n_kv_heads=2, rotary=4)
    texts = [
        AlignedDocument("a", torch.tensor([1, 2, 3, 4]), (triplet(0, 1, 0), triplet(1, 1, 3), triplet(2, 2, 3))),
        AlignedDocument("b", torch.tensor([5, 6, 7, 1, 2, 9, 10]), (triplet(0, 6, 2),)),
        AlignedDocument("c", torch.tensor([3, 3]), (triplet(0, 0, 1),)),
    ]
    found = gather(RecordReader(network), texts, ProbeOptions(train=2, test=1, longest=8, dimensions=3))
    assert found.governor[0].tolist() == [1, -1, -1, -1, -1, -1, -1, -1], "position 3 has two governors"
    assert found.governor[1, 2] == 6 and (found.governor >= 0).sum() == 3
    for row, text in enumerate(texts):
        size = len(text.tokens)
        record = network.run(text.tokens)
        for layer in range(2):
            mine = found.pattern[row, :size, 4 * layer : 4 * layer + 4, :size].transpose(0, 1)
            torch.testing.assert_close(mine.double(), record.layers[layer].pattern, atol=1e-6, rtol=1e-5)
        assert found.candidate[row].sum() == size * (size - 1) and not found.candidate[row, size:].any()
    assert found.words.shape == (3, 8, 4) and (found.words[..., -1] == 1).all()
    assert torch.equal(found.words[0, 1], found.words[1, 4]), "the same word"
    known = torch.cat([found.words[0, :4], found.words[1, :7]])[:, :3]
    assert known.mean(0).abs().max() < 1e-5
    covariance = known.T @ known / len(known)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-4 and covariance[0, 0] > covariance[2, 2]


def numbered(count: int) -> list[AlignedDocument]:
    return [
        AlignedDocument(str(one), torch.tensor([3 + one // 14, 3 + one % 14, 4, 5]), (triplet(0, 1, 3),))
        for one in range(count)
    ]


def test_no_sentence_is_in_both_parts() -> None:
    twice = [*numbered(20), *(one._replace(name=f"again {one.name}") for one in numbered(20))]
    train, test = _split(twice, ProbeOptions(train=15, test=5))
    texts = [tuple(one.tokens.tolist()) for one in [*train, *test]]
    assert len(train) == 15 and len(test) == 5 and len(set(texts)) == 20
    long = AlignedDocument("long", torch.arange(32), (triplet(0, 1, 2),))
    without = AlignedDocument("without", torch.tensor([9, 9, 9]), ())
    with pytest.raises(UserError, match=r"needs 16 \+ 5 different sentences .* found 20 of 42"):
        _split([*twice, long, without], ProbeOptions(train=16, test=5))


@pytest.mark.parametrize("sizes", [{"train": 0}, {"test": 0}, {"longest": 1}, {"dimensions": 0}])
def test_sizes_that_leave_nothing_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(UserError, match="accepted are numbers from 1"):
        ProbeOptions(**sizes)


@pytest.mark.parametrize("scheme", [SPACY, UNIVERSAL])
def test_every_label_is_a_dependency(scheme) -> None:  # type: ignore[no-untyped-def]
    relations = every_dependency(scheme)
    check_labels(relations, scheme)
    assert set(relations["any"]) >= scheme.labels


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "qwen2"])
def test_a_model_from_end_to_end(kind: str) -> None:
    model = load(transformers_model(kind), tokenizer=tokenizer())
    options = ProbeOptions(train=40, test=20, longest=5, dimensions=5)
    found = attention_probe(model, numbered(60), options).set_index("probe")
    assert found.accuracy["offset"] == 1, "the governor is always two before"
    assert found.accuracy["attention"] > 0.5, "one of three"
    assert (found.sentences == 20).all() and (found.dependents == 20).all()
    assert ((found.low <= found.accuracy) & (found.accuracy <= found.high)).all()
    assert attention_probe(model, numbered(60), options).set_index("probe").equals(found)
