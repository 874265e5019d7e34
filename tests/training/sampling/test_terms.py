"""Terms by class-based TF-IDF, against the formula written out."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from training.sampling.terms import cluster_terms

TEXTS = [
    "Horses eat grass grass and horses run.",
    "A compiler parses grammar; the parser reads tokens, tokens, tokens.",
    "The horse stable has grass 2024 x1 and the run",
    "Parser combinators parse grammar, run run",
]
LABELS = [0, 1, 0, 1]


def test_weights_are_those_of_the_formula() -> None:
    stop = {"and", "the", "has"}
    counts = [Counter(), Counter()]
    for text, label in zip(TEXTS, LABELS, strict=True):
        words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
        counts[label].update(word for word in words if len(word) > 1 and word[0].isalpha() and word not in stop)
    mean = sum(sum(count.values()) for count in counts) / 2
    found = cluster_terms(TEXTS, LABELS, 2, top=50)
    for label, count in enumerate(counts):
        total = sum(count.values())
        weight = {t: n / total * math.log(1 + mean / sum(c[t] for c in counts)) for t, n in count.items()}
        assert set(found[label]) == set(weight)
        weights = [weight[term] for term in found[label]]
        assert all(later <= earlier + 1e-12 for earlier, later in pairwise(weights))
    assert found[0][0] == "grass" and found[1][0] == "tokens"


def test_stop_words_and_numbers_name_no_cluster() -> None:
    found = cluster_terms(["the and of 2024 x grass"], [0], 1)
    assert found == [["grass"]]


def test_clusters_without_terms_have_none() -> None:
    assert cluster_terms(["grass", "1 2"], [2, 0], 4, top=3) == [[], [], ["grass"], []]
    assert cluster_terms(["", "1"], [0, 1], 2) == [[], []]
    assert cluster_terms([], [], 3) == [[], [], []]


def test_only_the_start_of_a_long_text_is_read() -> None:
    assert cluster_terms(["oats " * 4000 + "horse"], [0], 1) == [["oats"]]
