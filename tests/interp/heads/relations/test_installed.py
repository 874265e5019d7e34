"""Sentences of the installed text: prose, none twice, few of a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from interp.corpora.document import Document
from interp.heads.relations import installed
from interp.heads.relations.installed import installed_relations


@pytest.mark.slow
def test_prose_is_kept_and_code_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = "The old cat saw a small mouse in the garden."
    paragraphs = [
        kept,
        "Return x[0] if the list is not empty at all, else None.",
        "Too short.",
        "this sentence begins with a small letter all the way.",
        f"{kept} Another mouse saw the cat, and it ran to the\nhouse. See https://cats.example for more of this text.",
        *(f"The {colour} mouse saw the cat in the garden." for colour in ("red", "blue", "grey")),
    ]

    def documents(split: str) -> Iterator[Document]:
        assert split == "held-out"
        yield Document("s", "cats", "\n\n".join(paragraphs))

    monkeypatch.setattr(installed, "installed_documents", documents)
    found = installed_relations()
    assert [(document.name, document.text) for document in found.documents] == [
        ("cats:1:1", kept),
        ("cats:5:2", "Another mouse saw the cat, and it ran to the house."),
        ("cats:6:1", "The red mouse saw the cat in the garden."),
        ("cats:7:1", "The blue mouse saw the cat in the garden."),
    ]
    assert installed_relations(1).documents == found.documents[:1]


@pytest.mark.slow
def test_this_machine_has_sentences_of_all_relations() -> None:
    found = installed_relations(60)
    assert len(found.documents) > 50 and set(found.triplets) == {"subj", "obj", "mod"}
    assert max(Counter(document.name.rsplit(":", 2)[0] for document in found.documents).values()) <= 4
