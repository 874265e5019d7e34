"""The decoder's text: reproducible, and free of what the few-shot tasks test."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from interp.heads.icl.tasks import task_words, tasks
from training.lm.demonstrations import CATEGORIES, LABELS, demonstration
from training.lm.echoes import LONGEST, SHORTEST, echo
from training.lm.mix import TURNS, Mix, echo_pool, packed
from training.lm.tokenizer import END, train_tokenizer
from training.lm.worlds import RELATIONS, world


@pytest.fixture(scope="module")
def tokenizer():
    rng = np.random.default_rng(0)
    return train_tokenizer([f(rng) for _ in range(60) for f in (world, demonstration)], 600)


def test_demonstrations_hold_out_the_tasks_words_and_labels() -> None:
    kept_out = task_words()
    assert {label for task in tasks().values() for label in task.pairs} <= kept_out and {
        "January",
        "fox",
        "sings",
    } <= kept_out
    used = {word for words in CATEGORIES.values() for word in words.split()} | set(LABELS.split())
    assert not kept_out & used
    rng = np.random.default_rng(1)
    seen = {word for _ in range(2_000) for word in re.findall(r"\w+", demonstration(rng))}
    assert not kept_out & seen and used <= seen


def test_a_demonstration_follows_its_rule_without_contradiction() -> None:
    """The same words always carry the same label within one document."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        lines = [re.split(r": | -> | = | is | \| | Output: ", line) for line in demonstration(rng).splitlines()]
        labels: dict[str, set[str]] = {}
        for *words, label in lines:
            labels.setdefault(" ".join(words), set()).add(label)
        assert all(len(found) == 1 for found in labels.values())


def test_a_world_says_each_fact_again() -> None:
    """Within a world a relation's head has one tail in every telling."""
    forms = {
        name: [
            re.compile(re.escape(form).replace(r"\{h\}", r"(?P<h>\w+)").replace(r"\{t\}", r"(?P<t>\w+)") + r" \.$")
            for form in told
        ]
        for name, told in RELATIONS.items()
    }
    rng = np.random.default_rng(3)
    for _ in range(50):
        tails: dict[tuple[str, str], list[str]] = {}
        for sentence in re.findall(r".*? \.", world(rng)):
            matches = [(name, match) for name, told in forms.items() for form in told if (match := form.search(sentence))]
            assert len(matches) == 1, sentence
            name, match = matches[0]
            tails.setdefault((name, match["h"]), []).append(match["t"])
        assert all(len(found) >= 2 for found in tails.values())


def test_sequences_are_functions_of_their_number(tokenizer) -> None:
    text = torch.arange(10 * 32) % 500
    mix = Mix(text, tokenizer, length=32, seed=5)
    assert torch.equal(mix.sequences(3, 4)[1], mix.sequences(4, 1)[0])
    real = [number for number in range(12) if TURNS[number % len(TURNS)] == "text"]
    expected = [text[32 * place : 32 * place + 32] for place in range(len(real))]
    assert all(torch.equal(mix.sequences(number, 1)[0], one) for number, one in zip(real, expected, strict=True))
    other = Mix(text, tokenizer, length=32, seed=6)
    assert not torch.equal(mix.sequences(1, 1), other.sequences(1, 1))


def test_packed_text_ends_each_document(tokenizer) -> None:
    tokens = packed(["B has C .", "red"], tokenizer, 1000)
    assert tokenizer.decode(tokens) == f"B has C .{END}red{END}"
    assert len(packed(["B has C ."] * 50, tokenizer, 7)) == 7


def test_an_echo_says_its_list_again_and_holds_out_the_tasks_words(tokenizer) -> None:
    """The pool has no label of a task, and every echo is one list, repeated at least once."""
    text = torch.tensor(tokenizer("red 1 true green 7 apple blue. " * 20).input_ids)
    pool = echo_pool(text, tokenizer)
    assert {"1", "7"} <= set(tokenizer.decode(text)) and not {"1", "7"} & set(tokenizer.decode(pool))
    rng = np.random.default_rng(4)
    for _ in range(100):
        said = echo(rng, torch.arange(10_000)).tolist()
        periods = [n for n in range(1, len(said) // 2 + 1) if said == said[:n] * (len(said) // n)]
        assert periods and SHORTEST <= periods[0] <= LONGEST
