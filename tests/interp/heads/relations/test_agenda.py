"""AGENDA's file format, and which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.heads.relations.agenda import RELATIONS, agenda_abstracts
from interp.runs.errors import UserError
from tests.interp.heads.relations.agenda_file import FEW, written


def test_an_abstract_has_its_entities_triples_and_mentions(tmp_path: Path) -> None:
    _, abstract = agenda_abstracts(written(tmp_path, FEW, FEW))
    assert abstract.name == "test.tsv:2" and abstract.number == 2
    assert abstract.entities[2:] == ("speech", "unmentioned")
    assert abstract.triples[:2] == ((1, "Used-for", 2), (0, "Evaluate-for", 1))
    assert abstract.words[:6] == ("we", "use", "the", 1, "for", 2)
    assert abstract.mentioned == [1, 2, 0]


def test_a_vocabulary_names_the_relations_in_the_papers_spelling(tmp_path: Path) -> None:
    vocabulary = tmp_path / "relations.vocab"
    vocabulary.write_text("\n".join([*(name.upper() for name in RELATIONS[:5]), "isA"]))  # no line end at the end
    (abstract,) = agenda_abstracts(written(tmp_path, FEW), vocabulary)
    assert [relation for _, relation, _ in abstract.triples] == ["Used-for", "isA", "Conjunction", "Feature-of"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("A title .\t", "", "found 5 tab-separated fields; an AGENDA line has 6"),
        (
            "1 0 2 ;",
            "1 7 2 ;",
            r"found the triple '1 7 2'; accepted are three numbers below 4 \(entity\), 7 \(relation\), 4",
        ),
        ("1 0 2 ;", "4 0 2 ;", "found the triple '4 0 2'"),
        ("1 0 2 ;", "1 0 ;", "found the triple '1 0'"),
        ("1 0 2 ;", "1 0 -2 ;", "found the triple '1 0 -2'"),
        ("<task_0>", "<task_9>", "found the placeholder <task_9>, but the line names 4 entities"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in FEW
    with pytest.raises(UserError, match=r"test\.tsv, line 2: " + told):
        list(agenda_abstracts(written(tmp_path, FEW, FEW.replace(old, new))))
