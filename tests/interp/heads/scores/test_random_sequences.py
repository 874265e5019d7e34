"""Random sequences: which tokens, how many, what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from interp.heads.scores.random_sequences import PAPER, SequenceOptions, TokenPool, random_sequences, token_pool
from interp.runs.errors import UserError
from tests.interp.heads.tokenizers_of_families import FAMILIES
from tests.interp.models.families import tokenizer


def test_lengths_of_the_paper() -> None:
    assert PAPER.lengths == [2 * seed + 25 for seed in range(100)]
    assert SequenceOptions(count=1, shortest=7, longest=9).lengths == [7]


@pytest.mark.parametrize("kind", FAMILIES)
def test_tokens_of_every_kind_of_tokenizer(kind: str) -> None:
    one = FAMILIES[kind]()
    everything = token_pool(one, 10**6)
    merges = kind != "word piece"
    assert ("merges" in everything.described) == merges and len(set(everything.ids)) == len(everything.ids) > 50
    assert not {*one.all_special_ids, *one.get_added_vocab().values()} & set(everything.ids.tolist())
    texts = one.convert_ids_to_tokens(everything.ids.tolist())
    if merges:
        assert all(len(text) > 1 for text in texts), "single characters are no merges"
    largest = everything.ids.max()
    assert token_pool(one, int(largest)).ids.max() < largest


def test_both_ends_of_the_merges_are_cut() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    letters = [chr(ord("a") + index) for index in range(26)]
    pairs = [(one, other) for one in letters[:5] for other in letters[:10]]
    words = ["<s>", *reversed([one + other for one, other in pairs]), *letters]
    core = Tokenizer(models.BPE({word: index for index, word in enumerate(words)}, pairs))
    one = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>")
    pool = token_pool(one, 1000)
    assert one.convert_ids_to_tokens(pool.ids.tolist()) == [a + b for a, b in pairs[2:-2]]
    assert pool.described.startswith("46 of 50 tokens in the order of the tokenizer's merges")


def test_sequences_repeat_their_own_beginning() -> None:
    pool = TokenPool(np.arange(100, 400), "")
    options = SequenceOptions(count=3, shortest=5, longest=20, seed=4)
    drawn = random_sequences(tokenizer(), pool, options, context=81)
    assert [one.period for one in drawn] == [5, 12, 20]
    for one in drawn:
        assert one.begins == 1 and one.unique[0] == one.repeated[0] == tokenizer().bos_token_id
        assert len(one.unique) == len(one.repeated) == 4 * one.period + 1 == len(set(one.unique.tolist()))
        assert one.repeated[1:].tolist() == one.unique[1 : one.period + 1].tolist() * 4
    again = random_sequences(tokenizer(), pool, options, context=81)
    assert all((one.unique == other.unique).all() for one, other in zip(drawn, again, strict=True))
    other = random_sequences(tokenizer(), pool, SequenceOptions(3, 5, 20, seed=5), context=81)
    assert not (other[0].unique == drawn[0].unique).all()


def test_without_a_beginning_token() -> None:
    without = tokenizer()
    without.bos_token = None
    one = random_sequences(without, TokenPool(np.arange(40), ""), SequenceOptions(1, 5, 5), context=20)[0]
    assert one.begins == 0 and len(one.unique) == 20 and one.repeated[0] == one.unique[0]


@pytest.mark.parametrize("numbers", [{"count": 0}, {"shortest": 1}, {"shortest": 30, "longest": 29}])
def test_numbers_that_make_no_sequence(numbers: dict[str, int]) -> None:
    with pytest.raises(UserError, match="refused"):
        SequenceOptions(**numbers)


def test_too_few_tokens_or_too_short_a_context() -> None:
    options = SequenceOptions(1, 5, 5)
    with pytest.raises(UserError, match="tokenizer offers; accepted are at most 4 x 4"):
        random_sequences(tokenizer(), TokenPool(np.arange(19), ""), options, context=100)
    with pytest.raises(UserError, match="model reads; accepted are at most 4 x 4"):
        random_sequences(tokenizer(), TokenPool(np.arange(100), ""), options, context=20)
