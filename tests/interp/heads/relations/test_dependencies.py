"""Label maps: which dependencies of which scheme are subj, obj, mod, and the direction from governor to dependent."""

from __future__ import annotations

import pytest

from interp.heads.relations.dependencies import SPACY, UNIVERSAL, ParsedSentence, Word, dependency_relations
from interp.heads.relations.document import Span
from interp.runs.errors import UserError


def sentence(*words: tuple[str, int, str]) -> ParsedSentence:
    """Words with the number of their governor (0 for a root) and their label."""
    text, parsed = "", []
    for form, head, label in words:
        parsed.append(Word(Span(len(text), len(text) + len(form)), head - 1 if head else None, label))
        text += form + " "
    return ParsedSentence("s", text.rstrip(), tuple(parsed))


UD = sentence(
    ("Two", 2, "nummod"), ("cats", 4, "nsubj:pass"), ("were", 4, "aux:pass"), ("seen", 0, "root"), ("by", 6, "case"),
    ("owners", 4, "obl:agent"), ("of", 9, "case"), ("the", 9, "det"), ("house", 6, "nmod"), ("John", 11, "nmod:poss"),
    ("mat", 4, "obj"), ("here", 4, "advmod"), ("week", 12, "nmod"), ("'s", 10, "case"), ("this", 13, "det"),
)  # fmt: skip
CLEAR = sentence(
    ("They", 2, "nsubj"), ("saw", 0, "ROOT"), ("old", 4, "amod"), ("cats", 2, "dobj"), ("on", 2, "prep"),
    ("the", 8, "det"), ("door", 8, "compound"), ("mat", 5, "pobj"),
)  # fmt: skip


def triplets(parsed: ParsedSentence, *scheme: object) -> set[str]:
    (document,) = dependency_relations([parsed], *scheme, source="here").documents  # type: ignore[arg-type]
    return {
        " ".join((document.text[slice(*head)], triplet.relation, document.text[slice(*tail)]))
        for triplet in document.triplets
        for (head,), (tail,) in [(triplet.head, triplet.tail)]
    }


def test_universal_objects_are_obliques_and_nominals_with_a_preposition() -> None:
    """`John 's mat` has a case child but is no bare nmod; `this week` is a bare nmod without one."""
    assert triplets(UD, UNIVERSAL) == {
        "cats mod Two", "seen subj cats", "seen obj owners", "owners obj house", "seen obj mat", "seen mod here",
    }  # fmt: skip


def test_spacy_objects_hang_on_their_preposition() -> None:
    assert triplets(CLEAR, SPACY) == {"saw subj They", "cats mod old", "saw obj cats", "on obj mat", "mat mod door"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"owner": ["nmod:poss"], "by": ["obl:agent"]}, {"mat owner John", "seen by owners"}),
        ({"o": ["obl"]}, None),
        ({"o": ["obl:*"]}, {"seen o owners"}),
        ({"n": ["nmod"]}, {"owners n house", "here n week"}),
        ({"n": ["nmod:*+case"]}, {"mat n John"}),
        ({"a": ["obj"], "b": ["obj"]}, {"seen a mat", "seen b mat"}),
    ],
)
def test_maps_of_ones_own(labels: dict[str, list[str]], expected: set[str] | None) -> None:
    if expected is None:
        with pytest.raises(UserError, match="here gives no relation triplet; set aside: 1 documents without a triplet"):
            triplets(UD, UNIVERSAL, labels)
    else:
        assert triplets(UD, UNIVERSAL, labels) == expected


@pytest.mark.parametrize(
    ("scheme", "labels", "told"),
    [
        (UNIVERSAL, {"obj": ["dobj"]}, "'obj': Universal Dependencies has no label 'dobj'; accepted are acl, .*, obj, obl,"),
        (SPACY, {"obj": ["obl:agent"]}, "spaCy's English scheme has no label 'obl:agent'; accepted are ROOT, .*, dobj"),
        (SPACY, {"obj": ["dobj:x"]}, "has no label 'dobj:x'"),
        (UNIVERSAL, {"obj": []}, "relation 'obj' has no set of labels"),
        (UNIVERSAL, {"obj": "obj"}, "relation 'obj' has no set of labels"),
    ],
)
def test_an_unknown_label_is_told_with_those_of_the_scheme(scheme: object, labels: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        dependency_relations([], scheme, labels, source="here")  # type: ignore[arg-type]


def test_two_words_written_as_one_make_no_triplet_and_are_counted() -> None:
    du = Span(2, 4)
    parsed = ParsedSentence("s", "a du pain", (Word(Span(0, 1), None, "root"), Word(du, 0, "obj"), Word(du, 1, "amod")))
    found = dependency_relations([parsed], UNIVERSAL, source="here")
    assert found.counts == {
        "documents": 1, "triplets": {"obj": 1}, "dropped": {"dependencies between two words written as one": 1},
    }  # fmt: skip


def test_documents_without_a_triplet_are_counted_and_left_out() -> None:
    found = dependency_relations([sentence(("Yes", 0, "root")), UD], UNIVERSAL, source="here")
    assert len(found.documents) == 1 and found.dropped == {"documents without a triplet": 1}


@pytest.mark.slow
def test_the_labels_are_those_of_the_shipped_parser() -> None:
    from interp.heads.relations.parsers import SPACY_MODEL
    from interp.models.load import load

    assert set(load(SPACY_MODEL).get_pipe("parser").labels) == SPACY.labels
