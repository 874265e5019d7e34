"""One door to the relation sources that are files: AGENDA, CoNLL-U, a table of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Literal, get_args

from interp.heads.relations.agenda_relations import agenda_letters, agenda_plain, agenda_texts
from interp.heads.relations.collected import Relations
from interp.heads.relations.conllu import conllu_sentences
from interp.heads.relations.dependencies import SPACY, UNIVERSAL, RelationMap, check_labels, dependency_relations
from interp.heads.relations.parsers import spacy_sentences
from interp.heads.relations.table import read_table
from interp.runs.errors import UserError

AgendaVariant = Literal["letters", "plain", "syntax"]


def read_relations(
    *,
    agenda: Path | None = None,
    conllu: Path | None = None,
    table: Path | None = None,
    variant: AgendaVariant = "letters",
    vocabulary: Path | None = None,
    labels: RelationMap | None = None,
    limit: int | None = None,
) -> Relations:
    """The relation triplets of one file, read to its end, with counts of what was set aside.

    Args:
        agenda, conllu, table: the file; exactly one of them.
        variant: how AGENDA is read: its knowledge graph over `letters` (the paper's preprocessing) or in `plain` words,
            or the `syntax` of its sentences by the shipped spaCy parser.
        vocabulary: AGENDA's names of relations, if not the paper's seven.
        labels: which dependency labels make which relation, if not subj, obj, mod of the scheme (CoNLL-U: Universal
            Dependencies; AGENDA's syntax: spaCy's).
        limit: take the first so many abstracts, sentences or texts.

    Raises:
        UserError: if not exactly one file is given, an option does not exist or does not fit the file, the file is
            wrong, or it holds no triplet.
    """
    _check({"agenda": agenda, "conllu": conllu, "table": table}, variant, vocabulary, labels, limit)
    if table is not None:
        return read_table(table, limit=limit)
    if conllu is not None:
        sentences = islice(conllu_sentences(conllu), limit)
        return dependency_relations(sentences, UNIVERSAL, labels, source=str(conllu))
    assert agenda is not None
    if variant == "letters":
        return agenda_letters(agenda, vocabulary=vocabulary, limit=limit)
    if variant == "plain":
        return agenda_plain(agenda, vocabulary=vocabulary, limit=limit)
    check_labels(labels or {}, SPACY)  # before the parser is loaded and the texts are read
    return dependency_relations(spacy_sentences(agenda_texts(agenda, limit=limit)), SPACY, labels, source=str(agenda))


def _check(
    files: Mapping[str, Path | None], variant: str, vocabulary: Path | None, labels: RelationMap | None, limit: int | None
) -> None:
    """Refuse what does not fit together, before any file is read."""
    given = [name for name, file in files.items() if file is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise UserError(f"relations come from exactly one file; found {found}, accepted is one of {', '.join(files)}")
    if variant not in get_args(AgendaVariant):
        raise UserError(f"there is no variant '{variant}' of AGENDA; accepted are {', '.join(get_args(AgendaVariant))}")
    if variant != "letters" and given != ["agenda"]:
        raise UserError(f"variant '{variant}' is of AGENDA; found {given[0]}, which has none")
    syntax = given == ["conllu"] or variant == "syntax"
    if labels is not None and not syntax:
        raise UserError(
            "dependency labels are accepted with CoNLL-U and with AGENDA's syntax; found relations of other kinds"
        )
    if vocabulary is not None and (given != ["agenda"] or syntax):
        raise UserError(
            "a vocabulary of relations is accepted with AGENDA's knowledge graph; found relations of other kinds"
        )
    if limit is not None and limit < 1:
        raise UserError(f"a limit of {limit} leaves nothing to read; accepted are numbers from 1")
