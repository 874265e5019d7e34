"""Spans become positions: checked against what the tokens before and in a word decode to, for each tokenizer family."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.heads.relations.aligned import AlignedTriplet
from interp.heads.relations.alignment import AlignmentOptions, align
from interp.heads.relations.document import RelationDocument, Span, Triplet
from interp.heads.relations.table import mentions
from interp.runs.errors import UserError
from tests.interp.heads.tokenizers_of_families import FAMILIES

families = pytest.mark.parametrize("family", FAMILIES)


@cache
def tokenizer(family: str) -> Any:
    return FAMILIES[family]()


def document(text: str, *rows: tuple[str, str]) -> RelationDocument:
    """Every mention of the two words of each row."""
    return RelationDocument("d", text, tuple(Triplet(mentions(a, text), "r", mentions(b, text)) for a, b in rows))


def spelled(tokens: Any, own: Any) -> str:
    return own.decode(tokens).strip()


@families
def test_a_first_word_has_the_token_that_it_has_elsewhere(family: str) -> None:
    (aligned,) = align([document("cat sat on a mat . the cat ran", ("cat", "mat"))], tokenizer(family)).documents
    (first, mat), (again, same) = aligned.triplets[0].pairs
    assert first == 0 < mat == same < again
    assert aligned.tokens[first] == aligned.tokens[again]
    assert spelled(aligned.tokens[[again]], tokenizer(family)) == "cat"


WORDS = ["cat", "network", "é", "naïve", "state-of-the-art", "don't", "(", "zq", "3d", "日本", "the", "🙂"]


@pytest.mark.parametrize("family", [name for name in FAMILIES if name.startswith("byte-level")])
@given(words=st.lists(st.sampled_from(WORDS), min_size=2, max_size=12), data=st.data())
@settings(max_examples=40, deadline=None)
def test_tokens_before_a_word_spell_the_text_before_it(family: str, words: list[str], data: st.DataObject) -> None:
    """Byte-level tokens decode to the very text, so that decoding finds each word without any offsets."""
    text, own = " ".join(words), tokenizer(family)
    spans = [Span(*match.span()) for match in re.finditer(r"\S+", text)]
    head, tail = data.draw(st.permutations(spans))[:2]
    found = align([RelationDocument("d", text, (Triplet((head,), "r", (tail,)),))], own)
    (aligned,) = found.documents
    for position, span in zip(aligned.triplets[0].pairs[0], (head, tail), strict=True):
        assert spelled(aligned.tokens[:position], own) == text[: span.start].strip()
        assert own.decode(aligned.tokens[position:]).strip() == text[span.start :]
    assert found.mentions.keys() <= {"one token", "several tokens"}


@families
@pytest.mark.parametrize("text", ["it sat (far) away, then a mat ran", "far: mat"])
def test_punctuation_and_brackets_are_no_part_of_a_word(family: str, text: str) -> None:
    (aligned,) = align([document(text, ("far", "mat"))], tokenizer(family)).documents
    ((far, mat),) = aligned.triplets[0].pairs
    assert spelled(aligned.tokens[mat : mat + 1], tokenizer(family)) == "mat"
    assert "far".startswith(spelled(aligned.tokens[far : far + 1], tokenizer(family)))


@families
def test_a_word_of_several_tokens_is_its_first_or_nothing(family: str) -> None:
    own, text = (
        tokenizer(family),
        document("the cat saw a ratata and a mat", ("ratata", "mat"), ("cat", "mat"), ("ratata", "cat")),
    )
    first = align([text], own)
    assert first.several == 2 and first.mentions == {"one token": 2, "several tokens": 1} and first.dropped == {}
    assert [triplet.number for triplet in first.documents[0].triplets] == [0, 1, 2]
    begins = first.documents[0].triplets[0].pairs[0][0]
    assert "ratata".startswith(spelled(first.documents[0].tokens[[begins]], own))
    single = align([text], own, AlignmentOptions(words="single"))
    assert [triplet.number for triplet in single.documents[0].triplets] == [1]
    assert single.several == 0 and single.dropped == {"several tokens": 2}
    assert single.mentions == first.mentions


@pytest.mark.parametrize("part", [Span(4, 6), Span(5, 7), Span(5, 11), Span(0, 6), Span(3, 4)])
def test_a_mention_that_cuts_a_token_is_dropped_with_its_triplets(part: Span) -> None:
    """Of `the cat sat`: `ca`, `at`, `at sat`, `the ca`, and a space."""
    mat, cat = Span(17, 20), Span(4, 7)
    triplets = (Triplet((part,), "r", (mat,)), Triplet((part, cat), "r", (mat,)))
    found = align([RelationDocument("d", "the cat sat on a mat", triplets)], tokenizer("byte-level"))
    assert found.dropped == {"not a whole number of tokens": 1}
    assert found.documents[0].triplets == (AlignedTriplet("r", 1, ((1, 5),)),)


def test_every_pair_of_mentions_but_those_at_one_position() -> None:
    text = document("cat mat cat mat", ("cat", "mat"), ("cat", "cat"))
    (aligned,) = align([text], tokenizer("sentencepiece")).documents
    assert aligned.triplets[0].pairs == ((0, 1), (0, 3), (2, 1), (2, 3))
    assert aligned.triplets[1].pairs == ((0, 2), (2, 0))
    alone = document("cat mat", ("cat", "cat"), ("cat", "mat"))
    assert align([alone], tokenizer("sentencepiece")).dropped == {"head and tail at one position": 1}


@families
def test_a_beginning_token_moves_all_positions_by_one(family: str) -> None:
    text, own = document("the cat ( cat ) on a mat", ("cat", "mat"), ("(", "the")), tokenizer(family)
    (without,) = align([text], own).documents
    (with_bos,) = align([text], own, AlignmentOptions(bos=True)).documents
    assert with_bos.tokens.tolist() == [own.bos_token_id, *without.tokens.tolist()]
    for plain, moved in zip(without.triplets, with_bos.triplets, strict=True):
        assert moved.pairs == tuple((head + 1, tail + 1) for head, tail in plain.pairs)


def test_the_context_ends_texts_and_drops_what_lies_beyond() -> None:
    text = document("the cat sat . cat mat on ratata", ("the", "cat"), ("cat", "mat"), ("the", "ratata"), ("mat", "the"))
    own = tokenizer("byte-level")
    whole = align([text], own).documents[0]
    cut = align([text], own, AlignmentOptions(context=5))
    assert cut.documents[0].tokens.tolist() == whole.tokens[:5].tolist()
    assert cut.documents[0].triplets == (whole.triplets[0],)  # both mentions of cat are inside
    assert cut.mentions == {"one token": 3, "beyond the context": 2} and cut.dropped == {"beyond the context": 3}
    half = align([text], own, AlignmentOptions(context=len(whole.tokens) - 1))
    assert half.dropped == {"beyond the context": 1}, "a word that the context cuts in two is dropped"


def test_counts_add_up_and_documents_without_a_triplet_go() -> None:
    texts = [document("the cat sat on a mat", ("cat", "mat")), document("ratata mat", ("ratata", "mat"))]
    found = align(texts, tokenizer("word piece"), AlignmentOptions(words="single"))
    assert found.counts == {
        "documents": 1, "tokens": 6, "triplets": {"r": 1}, "triplets of several tokens": 0,
        "mentions": {"one token": 3, "several tokens": 1}, "dropped": {"several tokens": 1},
    }  # fmt: skip


def test_what_cannot_be_aligned_is_told_in_one_sentence() -> None:
    from transformers import CanineTokenizer

    own, text = tokenizer("word piece"), document("ratata mat", ("ratata", "mat"))
    with pytest.raises(UserError, match="CanineTokenizer gives no character offsets; accepted are fast tokenizers"):
        align([text], CanineTokenizer())
    with pytest.raises(UserError, match="found 'last'; accepted are first, single"):
        align([text], own, AlignmentOptions(words="last"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"no relation triplet can be aligned .*: 1 several tokens"):
        align([text], own, AlignmentOptions(words="single"))
    own = FAMILIES["word piece"]()
    own.bos_token = None
    with pytest.raises(UserError, match="has no token for the beginning of a text"):
        align([text], own, AlignmentOptions(bos=True))
