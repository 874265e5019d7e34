"""Levels of in-context learning: against the model's own logits, oracles and closed forms."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from interp.corpora.document import Document
from interp.heads.emergence import half_rise
from interp.heads.icl.accuracy import accuracies, fewest_shots
from interp.heads.icl.loss_reduction import beginnings, loss_reductions
from interp.heads.icl.readout import Readout
from interp.models.load import load
from interp.runs.errors import UserError
from tests.interp.models.families import tokenizer, transformers_model


class Letters:
    """A tokenizer of characters, with digits and words of labels as tokens of their own."""

    def __call__(self, text: str, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(
            input_ids=[_ID.setdefault(piece, len(_ID)) for piece in re.findall(r" (?:\d|true|false)|.|\n", text)]
        )

    def decode(self, ids: list[int]) -> str:
        return "".join(list(_ID)[one] for one in ids)


_ID: dict[str, int] = {}


class Oracle:
    """Stands in for a Readout: says what `answer` makes of the lines of a prompt."""

    def __init__(self, answer: Any) -> None:
        self.model = SimpleNamespace(tokenizer=Letters(), bridge=SimpleNamespace(cfg=SimpleNamespace(n_ctx=10_000)))
        self.answer = answer

    def next_logits(self, prompts: list[list[int]]) -> torch.Tensor:
        said = [Letters()(self.answer(Letters().decode(one).split("\n"))).input_ids[0] for one in prompts]
        return torch.nn.functional.one_hot(torch.tensor(said), len(_ID)).float()


def row(found: pd.DataFrame, task: str, shots: int, measure: str) -> pd.Series:
    return found[(found.task == task) & (found.shots == shots) & (found.measure == measure)].iloc[0]


def test_a_model_that_copies_the_last_label_has_the_format_and_no_pattern() -> None:
    def copy(lines: list[str]) -> str:
        return lines[-2][lines[-2].rindex(" ") :] if len(lines) > 1 else "?"

    found = accuracies(Oracle(copy), ["nine-class", "subj-verb"], shots=(0, 20), count=400)  # type: ignore[arg-type]
    assert row(found, "nine-class", 0, "format").value == 0
    assert row(found, "nine-class", 20, "format").value == row(found, "subj-verb", 20, "format").value == 1
    chance = row(found, "nine-class", 20, "pattern")
    assert chance.low < 1 / 9 < chance.high
    assert row(found, "nine-class", 0, "pattern_given_format")["count"] == 0
    assert fewest_shots(found).to_dict() == {"nine-class": 20, "subj-verb": 20}


def test_a_model_that_looks_pairs_up_knows_the_shown_ones_alone() -> None:
    def look_up(lines: list[str]) -> str:
        known = dict(line.split(":") for line in lines[:-1])
        return known.get(lines[-1].removesuffix(":"), "?")

    found = accuracies(Oracle(look_up), ["part-whole"], shots=(20,), count=200)  # type: ignore[arg-type]
    assert row(found, "part-whole", 20, "pattern_given_format").value == 1
    assert row(found, "part-whole", 20, "pattern_unshown").value == 0
    assert 0 < row(found, "part-whole", 20, "pattern").value < 1


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(UserError, match="there is no task 'ten-class'"):
        accuracies(Oracle(str), ["ten-class"])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "neox"])
def test_the_readout_agrees_with_the_model(kind: str) -> None:
    model = transformers_model(kind)
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(3, 17, (length,), generator=generator).tolist() for length in (5, 2, 9)]
    readout = Readout(load(model, tokenizer=tokenizer(), device="cpu"))
    with torch.no_grad():
        expected = torch.stack([model(torch.tensor([one])).logits[0, -1] for one in prompts])
        text = torch.tensor([prompts[2]])
        losses = torch.nn.functional.cross_entropy(model(text).logits[0, :-1], text[0, 1:], reduction="none")
    torch.testing.assert_close(readout.next_logits(prompts, batch=2), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(readout.losses(text)[0], losses, rtol=1e-4, atol=1e-4)


def test_loss_reduction_is_late_loss_minus_early_loss() -> None:
    losses = torch.linspace(6, 1, 500).expand(8, -1) + torch.arange(8)[:, None]  # a text's own level drops out
    readout = SimpleNamespace(losses=lambda tokens: losses[: len(tokens)])
    near, far = loss_reductions(readout, torch.zeros(8, 501, dtype=torch.int64))  # type: ignore[arg-type]
    step = 5 / 499
    assert np.allclose([near.value, far.value], [-50 * step, -450 * step])
    assert np.allclose([near.low, far.high], [near.value, far.value])


def test_beginnings_need_texts_and_room() -> None:
    readout = Oracle(str)
    texts = [Document("a", "a", "x" * 30), Document("b", "b", "yz"), Document("c", "c", "z" * 40)]
    assert beginnings(readout, texts, length=20).shape == (2, 20)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="none of the documents"):
        beginnings(readout, texts, length=60)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the model's context is 10000"):
        beginnings(readout, texts, length=10_001)  # type: ignore[arg-type]


def test_half_rise_is_where_a_curve_has_made_half_its_way() -> None:
    assert half_rise([0, 10, 100, 1000], [0.0, 0.0, 1.0, 1.0]) == pytest.approx(np.sqrt(11 * 101) - 1)
    assert half_rise([0, 10, 100], [5.0, 4.0, 3.0]) == pytest.approx(10)
    assert np.isnan(half_rise([0, 10], [1.0, 1.0]))
