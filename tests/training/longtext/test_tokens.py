"""Tokens by distinct pieces are those of the tokenizer, for the shipped one and for one that splits otherwise."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from interp.runs.errors import UserError
from training.longtext.coherence import CoherenceModel, Windows
from training.longtext.tokens import DocumentTokens, load_tokenizer

SNIPPETS = [
    "'s",
    "'ll",
    "''",
    " ",
    "  ",
    "\n",
    "\t",
    "\u00a0",
    "\x1f",
    "1",
    "23",
    "é",
    "汉字",
    "²",
    "Ⅷ",
    "?",
    "!!",
    "<|im_start|>",
    "\U0001f600",
]


@pytest.fixture(scope="module")
def backend() -> Tokenizer:
    return load_tokenizer("smollm2-135m")


@pytest.fixture(scope="module")
def documents(backend: Tokenizer) -> DocumentTokens:
    return DocumentTokens(backend)


def same(documents: DocumentTokens, backend: Tokenizer, text: str) -> bool:
    return documents(text).tolist() == backend.encode(text, add_special_tokens=False).ids


def test_pieces_of_any_kind(documents: DocumentTokens, backend: Tokenizer) -> None:
    @settings(max_examples=400, deadline=None)
    @given(
        st.lists(st.one_of(st.sampled_from(SNIPPETS), st.text(max_size=4), st.sampled_from("abc")), max_size=14).map("".join)
    )
    def check(text: str) -> None:
        assert same(documents, backend, text)

    assert documents.fast
    check()


def test_real_text_with_more_distinct_pieces_than_the_first_table_holds(
    documents: DocumentTokens, backend: Tokenizer
) -> None:
    from pydoc_data.topics import topics

    text = "\n".join(islice(topics.values(), 60))
    assert len(set(text.split())) > 3_000 and same(documents, backend, text)


def test_characters_newer_than_this_python(documents: DocumentTokens, backend: Tokenizer) -> None:
    assert same(documents, backend, "a\u1c89b \U00016d40c")


def test_another_tokenizer_is_asked_for_the_whole_text(tmp_path: Path) -> None:
    backend = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.save(str(tmp_path / "tokenizer.json"))
    documents = DocumentTokens(load_tokenizer(str(tmp_path)))
    assert not documents.fast and documents("a b c a").tolist() == [0, 1, 2, 0]


def test_folders_and_names_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(UserError, match="has no tokenizer that can be loaded"):
        load_tokenizer("absent")


def test_stored_truncation_and_padding_are_not_obeyed(backend: Tokenizer, tmp_path: Path) -> None:
    text = "one two three four five six seven eight " * 20
    held = Tokenizer.from_str(backend.to_str())
    held.enable_truncation(max_length=8)
    held.enable_padding(length=900)
    held.save(str(tmp_path / "tokenizer.json"))
    expected = backend.encode(text, add_special_tokens=False).ids
    assert DocumentTokens(load_tokenizer(str(tmp_path)))(text).tolist() == expected
    fast = PreTrainedTokenizerFast(tokenizer_object=held)
    windows = CoherenceModel(SimpleNamespace(forward=lambda: None, device=torch.device("cpu")), fast).cut(
        text, Windows(16, 8, 4, None)
    )
    assert torch.cat([window.tokens for window in windows]).tolist() == expected[: len(expected) // 16 * 16]


def test_a_hub_name_needs_no_model(backend: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = PreTrainedTokenizerFast(tokenizer_object=backend)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda name: found)
    assert load_tokenizer("someone/model").encode("a b").ids == backend.encode("a b").ids
    monkeypatch.undo()
    with pytest.raises(UserError, match="'someone/model' has no tokenizer that can be loaded"):
        load_tokenizer("someone/model")
