"""Examples of clusters by brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from training.sampling.assign import Assignment
from training.sampling.examples import examples, sampled


def assignment(seed: int, documents: int, clusters: int) -> tuple[Assignment, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, clusters, documents).astype(np.int32)
    similarity, margin = (rng.random(documents).astype(np.float32) for _ in range(2))
    return Assignment(cluster, similarity, (cluster + 1) % clusters, margin), rng.random(documents) < 0.7


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), documents=st.integers(0, 60), count=st.integers(1, 6))
def test_medoids_borderline_and_random_of_every_cluster(seed: int, documents: int, count: int) -> None:
    given_, kept = assignment(seed, documents, 5)
    for number, found in enumerate(examples(given_, 5, kept=kept, count=count, seed=seed)):
        members = [one for one in range(documents) if kept[one] and given_.cluster[one] == number]
        assert found.medoids == sorted(members, key=lambda one: -given_.similarity[one])[:count]
        assert found.borderline == sorted(members, key=lambda one: given_.margin[one])[:count]
        assert len(set(found.random)) == len(found.random) == min(count, len(members)) and set(found.random) <= set(members)


def test_random_examples_follow_the_seed() -> None:
    given_, kept = assignment(0, 400, 2)
    drawn = [[found.random for found in examples(given_, 2, kept=kept, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_one_cluster_has_no_border() -> None:
    alone = Assignment(
        np.zeros(4, np.int32), np.ones(4, np.float32), np.full(4, -1, np.int32), np.full(4, np.nan, np.float32)
    )
    (found,) = examples(alone, 1, kept=np.ones(4, bool), count=3)
    assert found.medoids == [0, 1, 2] and found.borderline == []


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), documents=st.integers(0, 60), most=st.integers(1, 8))
def test_a_sample_has_at_most_so_many_of_every_cluster(seed: int, documents: int, most: int) -> None:
    given_, kept = assignment(seed, documents, 5)
    chosen = sampled(given_.cluster, kept=kept, most=most, seed=seed)
    assert kept[chosen].all() and (np.diff(chosen) > 0).all()
    available = np.bincount(given_.cluster[kept], minlength=5)
    assert np.bincount(given_.cluster[chosen], minlength=5).tolist() == np.minimum(available, most).tolist()
