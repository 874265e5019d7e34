"""The few-shot tasks: rules, balance, and prompts that one token completes for any tokenizer."""

from __future__ import annotations

import re

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from interp.heads.icl.tasks import KINDS, label_tokens, prompts, tasks

LINE = re.compile(r"(\w+), (\w+): (\w+)")


def trained(*steps: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer that has seen the tasks' own prompts."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    texts = [prompt.text for task in tasks().values() for prompt in prompts(task, 10, 20, 0, end=": 7")]
    core.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=800, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=core)


def kind_of(word: str) -> str:
    return next(kind for kind, words in KINDS.items() if word in words.split())


def test_labels_follow_the_rules_of_the_paper() -> None:
    rules = {
        "fruit-month": {("fruit", "month"): "0", ("month", "fruit"): "1"},
        "furniture-profession": {("furniture", "profession"): "0", ("profession", "furniture"): "1"},
        "four-class": {("fruit", "fruit"): "0", ("fruit", "month"): "1", ("month", "fruit"): "2", ("month", "month"): "3"},
    }
    for name, rule in rules.items():
        for label, pairs in tasks()[name].pairs.items():
            assert {rule[kind_of(one), kind_of(other)] for one, other in pairs} == {label}
            assert all(one != other for one, other in pairs)
    assert list(tasks()["nine-class"].pairs) == list("012345678")
    false = tasks()["part-whole"].pairs["false"]
    assert {(kind_of(one), kind_of(other)) for one, other in false} == {("animal", "month")}


@pytest.mark.parametrize("shots", [0, 3, 9, 20])
def test_every_class_appears_when_there_are_shots_enough(shots: int) -> None:
    for task in tasks().values():
        for prompt in prompts(task, shots, 30, 1, end=":"):
            lines = prompt.text.split("\n")
            shown = [LINE.fullmatch(line) for line in lines[:-1]]
            assert len(shown) == shots and all(shown)
            given = [((found[1], found[2]), found[3]) for found in shown if found]
            assert all(pair in task.pairs[label] for pair, label in given)
            assert shots < len(task.pairs) or {label for _, label in given} == set(task.pairs)
            asked = tuple(re.fullmatch(r"(\w+), (\w+):", lines[-1]).groups())  # type: ignore[union-attr]
            assert asked in task.pairs[prompt.label] and prompt.shown == (asked in [pair for pair, _ in given])


def test_prompts_depend_on_the_seed_alone() -> None:
    task = tasks()["four-class"]
    assert prompts(task, 5, 3, 4, end=":") == prompts(task, 5, 3, 4, end=":") != prompts(task, 5, 3, 5, end=":")


@pytest.mark.parametrize("apart", [False, True])
def test_one_token_after_the_prompt_is_the_label(apart: bool) -> None:
    """Where digits are tokens of their own the blank before them belongs to the prompt."""
    tokenizer = trained(*([pre_tokenizers.Digits(individual_digits=True)] if apart else []))
    for name, end in (("nine-class", ": " if apart else ":"), ("subj-verb", ":")):
        task = tasks()[name]
        labels = label_tokens(task, tokenizer)
        assert labels.end == end
        for prompt in prompts(task, 2, 20, 0, end=end):
            whole = prompt.text + (prompt.label if end == ": " else f" {prompt.label}")
            assert tokenizer(whole).input_ids == [*tokenizer(prompt.text).input_ids, labels.ids[prompt.label]]


def test_a_label_of_several_tokens_is_asked_for_by_its_first_one() -> None:
    """The blank belongs to the token, as it does for the other label; only a first token that is a bare blank does not do."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        ["true false"] * 8 + [" true f"] * 9,  # " true" and " f" are merged, " false" is not
        trainers.BpeTrainer(vocab_size=262, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    assert len(tokenizer(" true").input_ids) == 1 < len(tokenizer(" false").input_ids)
    labels = label_tokens(tasks()["part-whole"], tokenizer)
    assert labels.end == ":"
    assert [tokenizer.decode([token]) for token in labels.ids.values()] == [" true", " f"]
