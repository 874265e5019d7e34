"""Parsers: sentences with the tree's words in their places, by spaCy, and by stanza through objects of its shape."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interp.corpora.document import Document
from interp.heads.relations.dependencies import SPACY, UNIVERSAL, ParsedSentence, dependency_relations
from interp.heads.relations.parsers import spacy_sentences, stanza_pipeline, stanza_sentences
from interp.runs.errors import UserError

TEXT = "  The old cat\nsaw a mouse.  It did not run to\tthe house. "


def forms(sentence: ParsedSentence) -> list[str]:
    return [sentence.text[slice(*word.span)] for word in sentence.words]


@pytest.mark.slow
def test_spacy_reads_sentence_by_sentence() -> None:
    first, second = spacy_sentences([Document("s", "doc", TEXT)])
    assert (first.name, first.text) == ("doc:1", "The old cat saw a mouse.")
    assert (second.name, second.text) == ("doc:2", "It did not run to the house.")
    assert forms(second) == ["It", "did", "not", "run", "to", "the", "house", "."]
    assert [word.head for word in second.words] == [3, 3, 3, None, 3, 6, 4, 3]
    found = dependency_relations([first, second], SPACY, source="here")
    triplets = [
        (document.text[slice(*t.head[0])], t.relation, document.text[slice(*t.tail[0])])
        for document in found.documents
        for t in document.triplets
    ]
    assert triplets == [
        ("cat", "mod", "old"), ("saw", "subj", "cat"), ("saw", "obj", "mouse"), ("run", "subj", "It"), ("to", "obj", "house"),
    ]  # fmt: skip


def stanza_word(text: str, head: int, label: str, start: int | None, end: int | None) -> Any:
    return SimpleNamespace(text=text, head=head, deprel=label, start_char=start, end_char=end)


def stanza_token(*words: Any, start: int, end: int) -> Any:
    return SimpleNamespace(words=list(words), start_char=start, end_char=end)


def pretended_pipeline(text: str) -> Any:
    """stanza's view of `Oui. Elle va au parc.`: the two words of `au` have no place of their own."""
    assert text == "Oui. Elle va au parc."
    yes = SimpleNamespace(tokens=[stanza_token(stanza_word("Oui.", 0, "root", 0, 4), start=0, end=4)])
    walk = SimpleNamespace(
        tokens=[
            stanza_token(stanza_word("Elle", 2, "nsubj", 5, 9), start=5, end=9),
            stanza_token(stanza_word("va", 0, "root", 10, 12), start=10, end=12),
            stanza_token(stanza_word("à", 5, "case", None, None), stanza_word("le", 5, "det", None, None), start=13, end=15),
            stanza_token(stanza_word("parc", 2, "obl:arg", 16, 20), start=16, end=20),
            stanza_token(stanza_word(".", 2, "punct", 20, 21), start=20, end=21),
        ]
    )
    return SimpleNamespace(text=text, sentences=[yes, walk])


def test_stanza_words_have_their_place_or_that_of_their_token() -> None:
    first, second = stanza_sentences([Document("s", "doc", "Oui.\nElle va au  parc.")], pretended_pipeline)
    assert (first.name, first.text, second.name, second.text) == ("doc:1", "Oui.", "doc:2", "Elle va au parc.")
    assert forms(second) == ["Elle", "va", "au", "au", "parc", "."]
    assert [word.head for word in second.words] == [1, None, 4, 4, 1, 1]
    assert dependency_relations([first, second], UNIVERSAL, source="here").triplets == {"subj": 1, "obj": 1}


def test_without_stanza_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stanza", None)
    with pytest.raises(UserError, match="the parser stanza is not installed; accepted is spaCy's 'en-core-web-sm'"):
        stanza_pipeline()


def test_stanza_without_models_downloads_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def pipeline(language: str, **options: Any) -> None:
        asked.update(options)
        raise FileNotFoundError(
            f"Resources file not found at: {options['dir']}/resources.json  Try to download again.\nMore"
        )

    monkeypatch.setitem(sys.modules, "stanza", SimpleNamespace(Pipeline=pipeline))
    with pytest.raises(UserError, match="stanza has no models for 'fr' on this machine") as refused:
        stanza_pipeline("fr", tmp_path)
    assert "\n" not in str(refused.value)
    assert asked["download_method"] is None and asked["dir"] == str(tmp_path)
