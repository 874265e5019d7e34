"""Near-duplicates against exact Jaccard similarities."""

from __future__ import annotations

import random

import numpy as np
import pytest

from interp.runs.errors import UserError
from training.sampling.duplicates import DuplicateOptions, near_duplicates


def edited(words: list[str], changes: int, rng: random.Random) -> list[str]:
    """The same words, some of them replaced, each far enough from the others to change three shingles."""
    words = list(words)
    for place in rng.sample(range(2, len(words) - 2, 4), changes):
        words[place] = f"other{rng.random()}"
    return words


def shingles(text: str, width: int = 3) -> set[tuple[str, ...]]:
    words = text.split()
    return {tuple(words[first : first + width]) for first in range(len(words) - width + 1)}


def jaccard(one: str, other: str) -> float:
    return len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))


def family(seed: int, changes: int, members: int = 60) -> list[str]:
    """Pairs of a text and an edited one."""
    rng = random.Random(seed)
    texts = []
    for _ in range(members):
        words = [f"w{rng.randrange(9000)}" for _ in range(200)]
        texts += [" ".join(words), " ".join(edited(words, changes, rng))]
    return texts


def test_pairs_well_above_the_threshold_are_found_and_others_are_not() -> None:
    near, far = family(1, changes=3), family(2, changes=20)
    assert min(jaccard(*near[i : i + 2]) for i in range(0, 120, 2)) > 0.9
    assert 0.5 < jaccard(*far[:2]) < 0.56
    found = near_duplicates(near + far)
    assert found[:120].tolist() == [-1 if number % 2 == 0 else number - 1 for number in range(120)]
    assert (found[120:] == -1).all()


def test_the_one_kept_is_like_every_duplicate_of_it_no_chains() -> None:
    rng = random.Random(3)
    words = [f"w{rng.randrange(9000)}" for _ in range(300)]
    texts = []
    for _ in range(40):  # drifts away from the first one step by step
        texts.append(" ".join(words))
        words = edited(words, 3, rng)
    found = near_duplicates(texts)
    assert (found[found >= 0] < np.flatnonzero(found >= 0)).all() and (found[found[found >= 0]] == -1).all()
    assert all(jaccard(texts[number], texts[first]) > 0.7 for number, first in enumerate(found) if first >= 0)
    assert 3 < (found == -1).sum() < 20


def test_copies_that_differ_in_case_punctuation_and_space_are_exact() -> None:
    texts = ["One, two three.", "four", "one TWO\n three", "...", " ... ", "one two four", "four!"]
    for threshold in (0.01, 0.8, 0.9999, 1.0):
        assert near_duplicates(texts, DuplicateOptions(threshold)).tolist() == [-1, -1, 0, -1, 3, -1, 1]


def test_texts_without_words_are_copies_only_of_themselves() -> None:
    for threshold in (0.8, 1.0):
        found = near_duplicates(["!!!", "??? ...", "...", "!!!\n", "..."], DuplicateOptions(threshold))
        assert found.tolist() == [-1, -1, -1, 0, 2]


def test_a_copy_of_a_duplicate_points_to_the_one_that_is_kept() -> None:
    first, second = family(4, changes=2, members=1)
    assert near_duplicates([first, second, second]).tolist() == [-1, 0, 0]


def test_scripts_without_spaces_are_compared_by_character() -> None:
    text = "".join(chr(0x4E00 + number) for number in random.Random(5).sample(range(3000), 200))
    assert near_duplicates([text, text[:100] + "的" + text[100:], text[::-1]]).tolist() == [-1, 0, -1]


def test_a_long_text_is_hashed_in_pieces_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = family(6, changes=12, members=20)
    whole = near_duplicates(texts)
    monkeypatch.setattr("training.sampling.duplicates._AT_ONCE", 50)
    assert (near_duplicates(texts) == whole).all()


@pytest.mark.parametrize("threshold", [0.0, -1, 1.01])
def test_thresholds_that_are_no_similarity_are_refused(threshold: float) -> None:
    with pytest.raises(UserError, match="accepted is above 0, at most 1"):
        near_duplicates(["a"], DuplicateOptions(threshold))
