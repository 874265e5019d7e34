"""pass@k against its definition, by counting every choice of k samples."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.comments.pass_at_k import pass_at_k, pass_rates


@given(st.integers(1, 9), st.data())
def test_it_is_the_share_of_choices_with_a_correct_sample(samples: int, data: st.DataObject) -> None:
    correct, k = data.draw(st.integers(0, samples)), data.draw(st.integers(1, samples))
    choices = list(combinations([True] * correct + [False] * (samples - correct), k))
    assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_large_numbers_do_not_overflow() -> None:
    assert pass_at_k(100_000, 1, 1) == pytest.approx(1e-5)
    assert pass_at_k(2_000, 1_000, 500) == pytest.approx(1.0)


@pytest.mark.parametrize("numbers", [(5, 6, 1), (5, -1, 1), (5, 2, 0), (5, 2, 6)])
def test_what_is_no_sample_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        pass_at_k(*numbers)


def test_rates_of_a_set_with_their_interval() -> None:
    one, ten = pass_rates(10, [0, 10, 5] * 40, (1, 10, 100))
    assert (one.k, ten.k) == (1, 10)
    assert one.value == pytest.approx(0.5) and ten.value == pytest.approx(2 / 3)
    # The standard error of 120 values of variance 1/6 is 0.037.
    assert one.low == pytest.approx(0.5 - 1.96 * 0.0373, abs=0.02) and one.high == pytest.approx(
        0.5 + 1.96 * 0.0373, abs=0.02
    )
