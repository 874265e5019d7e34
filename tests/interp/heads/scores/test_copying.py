"""Copying and attention scores: hand-made heads, the definitions by loops, every family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from interp.heads.scores.copying import (
    ATTENTION_SCORES,
    PositionedEmbeddingReader,
    attention_scores,
    copied_shares,
    copying_scores,
    score_heads,
)
from interp.heads.scores.random_sequences import RandomSequence, SequenceOptions, random_sequences, token_pool
from interp.models.load import load
from interp.models.network import Network
from tests.interp.heads.cases import RecordReader, random_network
from tests.interp.heads.scores import hand_made
from tests.interp.models.families import tokenizer, transformers_model

SHAPES = {
    "learned positions, biases": {},
    "rotary, grouped": {"rotary": 4, "n_kv_heads": 2, "centred": False},
    "partly rotary, parallel": {"rotary": 2, "parallel": True},
}


def sequence(seed: int, *, period: int = 5, vocab: int = 44, begins: int = 1) -> RandomSequence:
    """Token `vocab` - 1 begins; the others are random."""
    drawn = np.random.default_rng(seed).permutation(vocab - 1)[: 4 * period].tolist()
    begin = [vocab - 1] * begins
    return RandomSequence(torch.tensor(begin + drawn), torch.tensor(begin + drawn[:period] * 4), period, begins)


def best(table: pd.DataFrame, score: str) -> tuple[tuple[int, int], float]:
    row = table.loc[table[score].idxmax()]
    return (int(row["layer"]), int(row["head"])), float(row[score])


@pytest.mark.parametrize("ov_token", ["current", "attended", "mixed"])
def test_hand_made_heads_score_what_they_do(ov_token: str) -> None:
    network = hand_made.network()
    sequences = [sequence(seed, period=8 + seed) for seed in range(3)]
    reader = RecordReader(network)
    table = score_heads(reader, PositionedEmbeddingReader(network), sequences, ov_token=ov_token)  # type: ignore[arg-type]
    assert best(table, "previous_token") == (hand_made.PREVIOUS, pytest.approx(1, abs=1e-3))
    assert best(table, "prefix_matching") == (hand_made.INDUCER, pytest.approx(1, abs=1e-3))
    assert best(table, "induction") == (hand_made.INDUCER, pytest.approx((1 + 1 / 2 + 1 / 3) / 3, abs=1e-3))
    assert best(table, "duplicate_token") == (hand_made.DUPLICATOR, pytest.approx((1 / 2 + 2 / 3 + 3 / 4) / 3, abs=1e-3))
    scores = table.set_index(["layer", "head"])
    assert scores.copying[hand_made.COPIER] == pytest.approx(1, abs=1e-9)
    assert scores.copying[hand_made.DUPLICATOR] == 0, "it raises nothing"
    others = scores.drop(index=[hand_made.COPIER, hand_made.INDUCER])
    assert others.copying.max() < 0.1
    assert (table.sequences == 3).all() and (table.copying_events == 4 * (8 + 9 + 10)).all()
    assert (table.repeated_events == 3 * (8 + 9 + 10)).all()


def test_the_inducer_copies_what_it_attends_to() -> None:
    """With the embeddings alone it cannot know what stood before; in the stream it can, and raises what it attends to."""
    network, one = hand_made.network(), sequence(1)
    copied = copied_shares(RecordReader(network), one, "attended")
    assert copied[hand_made.INDUCER] > 0.9 and copied[hand_made.PREVIOUS] < 0.1


def copying_by_loops(network: Network, tokens: torch.Tensor, ov_token: str) -> np.ndarray:
    """As in the code of Bansal et al.: every layer alone on the embeddings, the whole vocabulary, position by position."""
    found = []
    for layer in network.layers:
        record = replace(network, layers=(layer,)).run(tokens).layers[0]
        for head, W_O in enumerate(layer.attention.W_O):
            shares = []
            for j in range(1, len(tokens)):
                attention = record.pattern[head, j]
                key = int(attention.argmax())
                value = {"current": record.v[head, j], "attended": record.v[head, key], "mixed": record.z[head, j]}[ov_token]
                p = (value @ W_O + layer.attention.b_O) @ network.unembedding + network.unembedding_bias
                p = p.softmax(-1)[tokens[: j + 1]]
                q = (p - p.mean()).clamp(min=0)
                shares.append(float(q[key] / q.sum()))
            found.append(np.mean(shares))
    return np.reshape(found, (len(network.layers), -1))


def attention_by_loops(pattern: torch.Tensor, one: RandomSequence) -> dict[str, float]:
    tokens, sums = one.repeated.tolist(), {name: [] for name in ATTENTION_SCORES}  # type: ignore[var-annotated]
    for j in range(one.begins, len(tokens)):
        earlier = [k for k in range(j) if tokens[k] == tokens[j]]
        if j > one.begins:
            sums["previous_token"].append(float(pattern[j, j - 1]))
        if earlier:
            sums["duplicate_token"].append(sum(float(pattern[j, k]) for k in earlier))
            sums["prefix_matching"].append(sum(float(pattern[j, k + 1]) for k in earlier))
            sums["induction"].append(float(pattern[j, earlier[-1] + 1]))
    return {name: float(np.mean(values)) for name, values in sums.items()}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ov_token", ["current", "attended", "mixed"])
def test_copying_is_its_definition(shape: str, ov_token: str) -> None:
    network, one = random_network(3, d_vocab=44, **SHAPES[shape]), sequence(4)
    found = copied_shares(PositionedEmbeddingReader(network), one, ov_token)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, copying_by_loops(network, one.unique, ov_token), atol=1e-6)
    assert found.std() > 0.01


@pytest.mark.parametrize("begins", [0, 1])
def test_attention_scores_are_their_definitions(begins: int) -> None:
    network, one = random_network(5, d_vocab=44, rotary=4, n_kv_heads=2), sequence(6, begins=begins)
    found, record = attention_scores(RecordReader(network), one), network.run(one.repeated)
    for layer, head in np.ndindex(found.shape[1:]):
        expected = attention_by_loops(record.layers[layer].pattern[head], one)
        assert dict(zip(ATTENTION_SCORES, found[:, layer, head], strict=True)) == pytest.approx(expected, abs=1e-9)


def test_grouped_heads_equal_repeated_heads() -> None:
    grouped, one = random_network(1, d_vocab=44, n_kv_heads=2, rotary=4), sequence(2)
    layers = []
    for layer in grouped.layers:
        doubled = {name: getattr(layer.attention, name).repeat_interleave(2, 0) for name in ("W_K", "W_V", "b_K", "b_V")}
        layers.append(replace(layer, attention=replace(layer.attention, **doubled)))
    repeated = replace(grouped, layers=tuple(layers))
    for ov_token in ("current", "attended", "mixed"):
        found, expected = (
            score_heads(RecordReader(one_of), PositionedEmbeddingReader(one_of), [one], ov_token=ov_token)
            for one_of in (grouped, repeated)
        )
        pd.testing.assert_frame_equal(found, expected, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "neox"])
def test_every_family(kind: str) -> None:
    """Float32 through hooks against float64 from the weights."""
    model = load(transformers_model(kind), tokenizer=tokenizer())
    options = SequenceOptions(count=2, shortest=2, longest=3, seed=1)
    network = Network.from_bridge(model.bridge).to(torch.float64)
    for source in ("embed", "resid"):
        found = copying_scores(model, options, source=source, progress=False)  # type: ignore[arg-type]
        assert "without" in found.tokens and len(found.heads) == 8
        sequences = random_sequences(tokenizer(), token_pool(tokenizer(), 50), options, 64)
        stream = RecordReader(network)
        with torch.no_grad():
            expected = score_heads(stream, PositionedEmbeddingReader(network) if source == "embed" else stream, sequences)
        pd.testing.assert_frame_equal(found.heads, expected, atol=1e-3)
