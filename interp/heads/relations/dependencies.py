"""Syntactic triplets subj, obj, mod out of dependency trees: head = governor, tail = dependent.

The paper (arXiv 2402.13055, section 3) names the three relations and the parser, not which labels it counts. The maps
below are ours: the paper's totals are reached only if objects include those of prepositions. In spaCy's scheme the
governor of such an object is the preposition; in Universal Dependencies, whose prepositions hang on their nouns, it is
the verb or noun before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from interp.heads.relations.collected import Relations, gather
from interp.heads.relations.document import RelationDocument, Span, Triplet
from interp.runs.errors import UserError

WITH_CASE = "+case"
ANY_SUBTYPE = ":*"
ONE_PLACE = "dependencies between two words written as one"

RelationMap = Mapping[str, Collection[str]]
"""Relation -> labels of its dependencies. `obl:*` stands for every subtype of `obl` (not for `obl` itself), and
`nmod+case` for an `nmod` that has a child of label `case`."""


class Word(NamedTuple):
    """One node of a dependency tree."""

    span: Span
    """Its place in the sentence's text; two words written as one share it."""
    head: int | None
    """Index of its governor among the sentence's words; None for a root."""
    label: str


class ParsedSentence(NamedTuple):
    """A sentence and its dependency tree."""

    name: str
    """Unique in its source."""
    text: str
    words: tuple[Word, ...]

    @property
    def case_marked(self) -> frozenset[int]:
        """Indices of the words with a `case` child: the nouns of prepositional phrases in Universal Dependencies."""
        return frozenset(word.head for word in self.words if word.label == "case" and word.head is not None)


class Scheme(NamedTuple):
    """A set of dependency labels and the relations that are read from it."""

    name: str
    labels: frozenset[str]
    subtypes: bool
    """Whether a label may bear a subtype after a colon, which every language chooses for itself."""
    relations: RelationMap


SPACY = Scheme(
    "spaCy's English scheme",
    frozenset({
        "ROOT", "acl", "acomp", "advcl", "advmod", "agent", "amod", "appos", "attr", "aux", "auxpass", "case", "cc",
        "ccomp", "compound", "conj", "csubj", "csubjpass", "dative", "dep", "det", "dobj", "expl", "intj", "mark",
        "meta", "neg", "nmod", "npadvmod", "nsubj", "nsubjpass", "nummod", "oprd", "parataxis", "pcomp", "pobj",
        "poss", "preconj", "predet", "prep", "prt", "punct", "quantmod", "relcl", "xcomp",
    }),
    False,
    {
        "subj": ("nsubj", "nsubjpass", "csubj"),
        "obj": ("dobj", "pobj"),
        "mod": ("amod", "advmod", "nummod", "compound", "npadvmod"),
    },
)  # fmt: skip
UNIVERSAL = Scheme(
    "Universal Dependencies",
    frozenset({
        "acl", "advcl", "advmod", "amod", "appos", "aux", "case", "cc", "ccomp", "clf", "compound", "conj", "cop",
        "csubj", "dep", "det", "discourse", "dislocated", "expl", "fixed", "flat", "goeswith", "iobj", "list", "mark",
        "nmod", "nsubj", "nummod", "obj", "obl", "orphan", "parataxis", "punct", "reparandum", "root", "vocative",
        "xcomp",
    }),
    True,
    {
        "subj": ("nsubj", "nsubj:pass", "csubj"),
        "obj": ("obj", "iobj", "obl", "obl:*", "nmod+case"),
        "mod": ("amod", "advmod", "nummod", "compound"),
    },
)  # fmt: skip


def dependency_relations(
    sentences: Iterable[ParsedSentence], scheme: Scheme, relations: RelationMap | None = None, *, source: str
) -> Relations:
    """The triplets of parsed sentences, one document a sentence, as the paper reads them.

    Args:
        relations: which labels make which relation; the scheme's own map if None.
        source: what the sentences come from, for the message that they hold no triplet.

    Raises:
        UserError: for a label that the scheme does not have, or if no sentence holds a triplet.
    """
    chosen = scheme.relations if relations is None else relations
    check_labels(chosen, scheme)
    dropped: Counter[str] = Counter()
    documents = (RelationDocument(s.name, s.text, tuple(_triplets(s, chosen, dropped))) for s in sentences)
    return gather(documents, dropped, source=source)


def check_labels(relations: RelationMap, scheme: Scheme) -> None:
    """Raise UserError for a label that the scheme does not have."""
    for relation, labels in relations.items():
        if not labels or isinstance(labels, str):
            raise UserError(f"relation '{relation}' has no set of labels; accepted are labels of {scheme.name}")
        for label in labels:
            plain = label.removesuffix(WITH_CASE)
            base = plain.split(":")[0] if scheme.subtypes else plain
            if base not in scheme.labels:
                known = ", ".join(sorted(scheme.labels))
                raise UserError(f"relation '{relation}': {scheme.name} has no label '{label}'; accepted are {known}")


def _triplets(sentence: ParsedSentence, relations: RelationMap, dropped: Counter[str]) -> Iterator[Triplet]:
    case_marked = sentence.case_marked
    for index, word in enumerate(sentence.words):
        if word.head is None:
            continue
        forms = _forms(word.label, with_case=index in case_marked)
        governor = sentence.words[word.head].span
        for relation in (relation for relation, labels in relations.items() if not forms.isdisjoint(labels)):
            if governor == word.span:
                dropped[ONE_PLACE] += 1
            else:
                yield Triplet((governor,), relation, (word.span,))


def _forms(label: str, *, with_case: bool) -> set[str]:
    """All ways in which a map may name a dependency."""
    base, *subtype = label.split(":")
    forms = {label, base + ANY_SUBTYPE} if subtype else {label}
    return forms | {form + WITH_CASE for form in forms} if with_case else forms
