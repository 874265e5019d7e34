"""Template code: its comments reach the density asked for, its tests tell answers apart, held-out intents stay out."""

from __future__ import annotations

import ast
from itertools import pairwise

import numpy as np
import pytest

from training.comments.density import density
from training.comments.languages import LANGUAGES, PYTHON
from training.comments.template_code import ENDINGS, HEAD, STEPS, program, programs, said, share_of_comments, tasks
from training.sandbox.verdict import judge

RNG = np.random.default_rng(7)
SAMPLE = programs(RNG, 3_000, held_out=False)


def commented(share: float) -> list[str]:
    rng = np.random.default_rng(8)
    return [one.code((rng.random(len(one.comments)) < share).tolist()) for one in SAMPLE]


@pytest.mark.parametrize("wanted", [0.0, 0.1, 0.2, 0.3])
def test_density_is_the_one_asked_for_as_the_meter_has_it(wanted: float) -> None:
    text = "\n".join(commented(share_of_comments(wanted, SAMPLE)))
    assert density(text, LANGUAGES[PYTHON]) == pytest.approx(wanted, abs=0.015)


def test_a_density_beyond_all_comments_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a share"):
        share_of_comments(0.9, SAMPLE)


def test_comments_change_no_code() -> None:
    for one, text in list(zip(SAMPLE, commented(0.5), strict=True))[:300]:
        assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(one.code()))
        assert [line for line in text.splitlines() if "#" not in line] == one.code().splitlines()


def test_phrases_name_their_number_and_no_two_templates_share_one() -> None:
    phrases = [(phrase, "{n}" in template.code) for template in (*STEPS, *ENDINGS) for phrase in template.phrases]
    assert len({phrase for phrase, _ in phrases}) == len(phrases)
    assert all(("{n}" in phrase) == numbered for phrase, numbered in phrases)


def test_held_out_intents_are_in_nothing_that_is_read() -> None:
    read = {one.key for one in SAMPLE}
    asked = tasks(np.random.default_rng(1), 60)
    assert len({task.program.key for task in asked}) == 60 and not read & {task.program.key for task in asked}
    drawn = [program(RNG).held_out for _ in range(2_000)]
    assert 0.05 < np.mean(drawn) < 0.25


def test_tests_pass_the_right_answer_and_fail_others() -> None:
    asked = tasks(np.random.default_rng(2), 12)
    for task in asked[:4]:
        assert task.prompt + task.program.code().removeprefix(HEAD) == task.program.intent + task.program.code()
        assert judge(task.program.code(), task.tests).passed
    others = [judge(other.program.code(), task.tests).passed for task, other in pairwise(asked[:5])]
    assert sum(others) <= 1


def test_what_a_comment_says() -> None:
    assert said("    # keep the first 3 of them\n") == "keep the first 3 of them"
