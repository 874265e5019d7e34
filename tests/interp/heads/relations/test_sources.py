"""One door: each file through its reader, and what does not fit together in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interp.heads.relations.agenda_relations import agenda_letters, agenda_plain
from interp.heads.relations.sources import read_relations
from interp.runs.errors import UserError
from tests.interp.heads.relations.agenda_file import FEW, written

TREE = "1\tcats\t_\t_\t_\t_\t2\tnsubj\t_\t_\n2\trun\t_\t_\t_\t_\t0\troot\t_\t_\n3\tfast\t_\t_\t_\t_\t2\tadvmod\t_\t_\n\n"


def test_agenda_in_both_variants(tmp_path: Path) -> None:
    file = written(tmp_path, FEW, FEW)
    assert read_relations(agenda=file) == agenda_letters(file)
    assert read_relations(agenda=file, variant="plain", limit=1) == agenda_plain(file, limit=1)
    vocabulary = tmp_path / "relations.vocab"
    vocabulary.write_text("\n".join("abcdefg"))
    assert read_relations(agenda=file, vocabulary=vocabulary).triplets == {"a": 2, "f": 2}


@pytest.mark.slow
def test_agenda_parsed(tmp_path: Path) -> None:
    file = written(tmp_path, FEW, FEW)
    found = read_relations(agenda=file, variant="syntax", limit=1)
    assert [document.name for document in found.documents] == ["test.tsv:1:1", "test.tsv:1:2"]
    assert set(read_relations(agenda=file, variant="syntax", labels={"det": ["det"]}).triplets) == {"det"}


def test_trees_and_tables(tmp_path: Path) -> None:
    trees, table = tmp_path / "trees.conllu", tmp_path / "own.tsv"
    trees.write_text(TREE * 2)
    assert read_relations(conllu=trees, limit=1).triplets == {"subj": 1, "mod": 1}
    assert read_relations(conllu=trees, labels={"how": {"advmod"}}).triplets == {"how": 2}
    table.write_text("text\thead\trelation\ttail\na b\ta\tr\tb\nc d\tc\tr\td\n")
    assert read_relations(table=table).triplets == {"r": 2}
    assert len(read_relations(table=table, limit=1).documents) == 1


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "relations come from exactly one file; found none, accepted is one of agenda, conllu, table"),
        ({"agenda": Path("a"), "table": Path("b")}, "found agenda and table"),
        ({"agenda": Path("a"), "variant": "words"}, "no variant 'words' of AGENDA; accepted are letters, plain, syntax"),
        ({"table": Path("a"), "variant": "plain"}, "variant 'plain' is of AGENDA; found table"),
        ({"agenda": Path("a"), "labels": {"subj": ["nsubj"]}}, "dependency labels are accepted with"),
        ({"conllu": Path("a"), "vocabulary": Path("b")}, "a vocabulary of relations is accepted with"),
        ({"agenda": Path("a"), "vocabulary": Path("b"), "variant": "syntax"}, "a vocabulary of relations is accepted"),
        ({"conllu": Path("a"), "limit": 0}, "a limit of 0 leaves nothing to read"),
        (
            {"agenda": Path("a"), "variant": "syntax", "labels": {"obj": ["obl"]}},
            "spaCy's English scheme has no label 'obl'",
        ),
        ({"conllu": Path("a"), "labels": {"obj": ["dobj"]}}, "Universal Dependencies has no label 'dobj'"),
        ({"table": Path("absent.tsv")}, r"absent\.tsv cannot be read"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told) as refused:
        read_relations(**asked)
    assert "\n" not in str(refused.value)
