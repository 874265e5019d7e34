"""Labels are asked for where they begin, after three examples, and nowhere else."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from transformers import AutoTokenizer

from interp.heads.decoder import shipped_checkpoints
from training.lm.mix import Mix, invented
from training.moe.held_out import SHOTS, held_out


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return AutoTokenizer.from_pretrained(shipped_checkpoints()[-1].model)


def test_every_label_after_three_examples_is_asked_for_at_its_first_token(tokenizer) -> None:  # type: ignore[no-untyped-def]
    found = held_out(torch.arange(700), tokenizer, length=256, tasks=5, seed=3)
    assert found.tasks.shape == found.asked.shape == (5, 256) and found.text.shape == (2, 256)
    for row, asked, number in zip(found.tasks.tolist(), found.asked.tolist(), range(5), strict=True):
        documents = list(islice(invented("demonstration", 3, 2 * 10**9 + number), 12))
        said = [tokenizer.decode(row[place:]) for place, here in enumerate(asked) if here]
        labels = [line.split(" ")[-1] for document in documents for line in document.split("\n")[SHOTS:]]
        assert 5 < len(said) <= len(labels)
        # The last one may be cut off by the sequence's end.
        assert all(text.lstrip(" ").startswith(label) for text, label in zip(said[:-1], labels, strict=False))


def test_a_sample_is_of_both_kinds_by_turns(tokenizer) -> None:  # type: ignore[no-untyped-def]
    found = held_out(torch.arange(700), tokenizer, length=256, tasks=5, seed=3)
    tokens, kinds = found.sample(3)
    assert kinds == ["real text", "demonstrations", "real text"]
    assert torch.equal(tokens, torch.stack([found.text[0], found.tasks[0], found.text[1]]))
    assert len(found.sample(8)[1]) == 4, "there are two sequences of text"


def test_held_out_demonstrations_are_those_of_no_run(tokenizer) -> None:  # type: ignore[no-untyped-def]
    found = held_out(torch.arange(128), tokenizer, length=128, tasks=2, seed=0)
    again = held_out(torch.arange(128), tokenizer, length=128, tasks=2, seed=0)
    assert torch.equal(found.tasks, again.tasks) and torch.equal(found.asked, again.asked)
    mix = Mix(torch.arange(1000), tokenizer, length=128, seed=0)
    assert torch.equal(found.tasks[1], mix.made("demonstration", 2 * 10**9 + 1))
    read = torch.stack([mix.made("demonstration", number) for number in range(50)])
    assert not any(torch.equal(one, other) for one in found.tasks for other in read)
