"""AGENDA's texts: letters that tell nothing, entities in their own words, and triples that no text can show."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.heads.relations.agenda_relations import (
    ABSENT,
    APART,
    CROWDED,
    LETTERS,
    WITH_ITSELF,
    agenda_letters,
    agenda_plain,
    agenda_texts,
)
from interp.heads.relations.collected import WITHOUT_TRIPLET
from interp.heads.relations.document import RelationDocument
from tests.interp.heads.relations.agenda_file import FEW, crowd, written


def named(document: RelationDocument) -> list[tuple[set[str], str, set[str]]]:
    """Triplets by what stands at their mentions."""
    texts = [[{document.text[slice(*span)] for span in side} for side in (t.head, t.tail)] for t in document.triplets]
    return [(head, t.relation, tail) for (head, tail), t in zip(texts, document.triplets, strict=True)]


def test_letters_are_those_that_stand_for_no_word() -> None:
    assert len(set(LETTERS)) == 20 and not set("AINSWE") & set(LETTERS)


def test_an_entity_is_one_letter_in_all_its_places(tmp_path: Path) -> None:
    found = agenda_letters(written(tmp_path, FEW))
    (document,) = found.documents
    ((search,), _, (speech,)), ((rate,), _, (again,)) = named(document)
    assert again == search and len({search, speech, rate}) == 3 and {search, speech, rate} <= set(LETTERS)
    assert document.text == f"""use {search} {speech} ( {speech} 's {rate} ) . {search} " good " ."""
    assert [t.relation for t in document.triplets] == ["Used-for", "Evaluate-for"]
    assert [len(t.head) * len(t.tail) for t in document.triplets] == [4, 2]
    assert found.dropped == {ABSENT: 1, WITH_ITSELF: 1}


def test_words_that_are_deleted_are_an_option(tmp_path: Path) -> None:
    (document,) = agenda_letters(written(tmp_path, FEW), function_words={"use"}).documents
    assert document.text.startswith("we the ") and "can be" in document.text


def test_letters_come_from_the_seed_and_the_line_alone(tmp_path: Path) -> None:
    file = written(tmp_path, *[FEW] * 40)
    texts = [document.text for document in agenda_letters(file).documents]
    assert texts[:5] == [document.text for document in agenda_letters(file, limit=5).documents]
    assert texts != [document.text for document in agenda_letters(file, seed=1).documents]
    first = [text.split()[1] for text in texts]
    assert len(set(first)) > 10, "a letter drawn by chance for the first entity"


def test_own_words_are_put_back(tmp_path: Path) -> None:
    found = agenda_plain(written(tmp_path, FEW))
    (document,) = found.documents
    assert document.text == 'we use the (fast) search for speech (speech\'s word error rate). (fast) search can be "good".'
    assert named(document) == [
        ({"(fast) search"}, "Used-for", {"speech"}),
        ({"word error rate"}, "Evaluate-for", {"(fast) search"}),
    ]
    assert found.dropped == {ABSENT: 1, WITH_ITSELF: 1}
    (text,) = agenda_texts(written(tmp_path, FEW))
    assert text.text == document.text and text.name == document.name


def test_more_entities_than_letters_are_read_by_sentences(tmp_path: Path) -> None:
    found = agenda_letters(written(tmp_path, crowd()))
    first, second = found.documents
    assert (first.name, second.name) == ("test.tsv:1.1", "test.tsv:1.2")
    assert [t.relation for t in first.triplets] == ["Conjunction"] and first.text.endswith(" .")
    assert [t.relation for t in second.triplets] == ["Part-of"] and second.text.endswith(" ?")
    assert found.dropped == {APART: 1, WITHOUT_TRIPLET: 1}
    assert len(agenda_letters(written(tmp_path, crowd(20))).documents) == 1, "as many as letters fit in one text"


def test_a_sentence_with_more_entities_than_letters_is_dropped(tmp_path: Path) -> None:
    found = agenda_letters(written(tmp_path, crowd(24, together=21)))
    assert found.dropped == {CROWDED: 1, APART: 2, WITHOUT_TRIPLET: 1}
    (document,) = found.documents
    assert document.name == "test.tsv:1.2" and [t.relation for t in document.triplets] == ["Part-of"]


@pytest.mark.parametrize("read", [agenda_letters, agenda_plain])
def test_no_triple_is_lost_unseen(tmp_path: Path, read: type) -> None:
    found = read(written(tmp_path, FEW, crowd(), crowd(24, together=21), FEW))
    dropped = sum(found.dropped.get(reason, 0) for reason in (ABSENT, WITH_ITSELF, APART))
    assert sum(found.triplets.values()) + dropped == 4 + 3 + 3 + 4
