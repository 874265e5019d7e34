"""Embedders: batches by length cover all texts, MiniLM agrees with an independent computation, TF-IDF is what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interp.runs.errors import UserError
from tests.training.sampling.corpus import TOPICS, entries
from training.sampling.embedders import TransformerEmbedder, batches, check_embedder, transformer_embedder
from training.sampling.tfidf import TfidfEmbedder, fit_tfidf

TEXTS = [entry["text"] for entry in entries()]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.integers(1, 2000))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    found = list(batches(lengths, budget))
    assert sorted(number for batch in found for number in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or max(lengths[number] for number in batch) * len(batch) <= budget for batch in found)
    longest = [max(lengths[number] for number in batch) for batch in found]
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("name", ["nowhere", "models/none", "smollm2-135m-instruct"])
def test_names_that_are_no_embedder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"no embedder '{name}'"):
        check_embedder(name)


@pytest.mark.slow
def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as a sentence-transformers model"):
        transformer_embedder(str(tmp_path))


@pytest.fixture(scope="module")
def minilm() -> TransformerEmbedder:
    return transformer_embedder("minilm", "cpu")


@pytest.mark.slow
def test_minilm_agrees_with_our_own_pooling(minilm: TransformerEmbedder) -> None:
    from interp.models.load import load

    texts = [*TEXTS[:6], "short", "", "a long one " * 300, "\n" * 20]
    vectors = minilm(texts)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(len(texts)), atol=1e-6)
    assert torch.allclose(vectors, load("minilm", device="cpu")(texts), atol=1e-5)


@pytest.mark.slow
def test_the_order_of_texts_is_kept_whatever_the_batches(minilm: TransformerEmbedder) -> None:
    alone = torch.cat([minilm([text]) for text in TEXTS[:5]])
    minilm.budget = 60
    assert torch.allclose(minilm(TEXTS[:5]), alone, atol=1e-5)


def test_tfidf_against_its_definition(tmp_path: Path) -> None:
    fit_tfidf(TEXTS, width=3).save(tmp_path)
    embedder = TfidfEmbedder.load(tmp_path)
    present = np.array([[text.lower().rstrip(".").split().count(word) for word in embedder.words] for text in TEXTS])
    idf = np.log((1 + len(TEXTS)) / (1 + (present > 0).sum(0))) + 1
    weights = np.where(present > 0, 1 + np.log(np.maximum(present, 1)), 0) * idf
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    projected = weights @ np.linalg.svd(weights, full_matrices=False)[2][:3].T
    cosines = projected @ projected.T / np.outer(*[np.linalg.norm(projected, axis=1)] * 2)
    vectors = embedder(TEXTS)
    assert vectors.dtype == torch.float32 and vectors.shape == (len(TEXTS), 4)
    np.testing.assert_allclose((vectors @ vectors.T).numpy(), cosines, atol=1e-4)


def test_texts_without_a_known_word_have_a_direction_of_their_own() -> None:
    vectors = fit_tfidf(TEXTS, width=4)([*TEXTS[:3], "", "xylophone"])
    assert torch.allclose(vectors.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.equal(vectors[3], vectors[4]) and (vectors[:3] @ vectors[3]).abs().max() == 0


def test_topics_lie_apart_under_tfidf() -> None:
    embedder = fit_tfidf(TEXTS, width=8)
    within = (
        embedder([" ".join(words[:6]) for words in TOPICS.values()]) @ embedder([" ".join(w[6:]) for w in TOPICS.values()]).T
    )
    assert (within.argmax(1) == torch.arange(3)).all()


@pytest.mark.parametrize("texts", [["one"], ["all different", "words here"], ["same", "same"], ["", " "]])
def test_tfidf_of_too_little(texts: list[str]) -> None:
    with pytest.raises(UserError, match="no two words that occur in two texts"):
        fit_tfidf(texts)
