"""Made-up texts: every triplet is said in its own sentence, and mentions are all there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.heads.relations.agenda import RELATIONS
from interp.heads.relations.synthetic import TEMPLATES, synthetic_relations
from interp.runs.errors import UserError


def test_templates_are_of_the_seven_relations_and_name_both_ends_once() -> None:
    assert set(TEMPLATES) == set(RELATIONS)
    for sentences in TEMPLATES.values():
        assert all(sentence.count("{head}") == sentence.count("{tail}") == 1 for sentence in sentences)
    assert len({sentence for sentences in TEMPLATES.values() for sentence in sentences}) == 21


@given(seed=st.integers(0, 1000), entities=st.integers(3, 20), triplets=st.integers(1, 3))
def test_sentence_k_states_triplet_k(seed: int, entities: int, triplets: int) -> None:
    for document in synthetic_relations(3, triplets=triplets, entities=entities, seed=seed).documents:
        sentences = document.text.split(" . ")
        assert len(sentences) == len(document.triplets) == triplets
        for sentence, triplet in zip(sentences, document.triplets, strict=True):
            head, tail = (document.text[slice(*side[0])] for side in (triplet.head, triplet.tail))
            stated = [template.format(head=head, tail=tail) for template in TEMPLATES[triplet.relation]]
            assert head != tail and sentence.removesuffix(" .") + " ." in stated
            for letter, side in ((head, triplet.head), (tail, triplet.tail)):
                assert [span.start for span in side] == [i for i, c in enumerate(document.text) if c == letter]


def test_the_seed_decides_and_pairs_are_related_once() -> None:
    assert synthetic_relations(5, seed=3) == synthetic_relations(5, seed=3) != synthetic_relations(5, seed=4)
    for document in synthetic_relations(20, triplets=10, entities=5).documents:
        assert len({frozenset((t.head, t.tail)) for t in document.triplets}) == 10
    assert set(synthetic_relations(200).triplets) == set(RELATIONS)


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"entities": 21}, r"about 21 entities cannot be made; accepted are 2 \.\. 20"),
        ({"entities": 4, "triplets": 7}, r"7 triplets of 4 entities cannot be made; accepted are 1 \.\. 6"),
        ({"triplets": 0}, "0 triplets"),
        ({"documents": 0}, "the synthetic source gives no relation triplet; set aside: it is empty"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], told: str) -> None:
    with pytest.raises(UserError, match=told):
        synthetic_relations(**{"documents": 1, **sizes})
