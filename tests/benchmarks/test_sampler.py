"""The sampler's benchmark measures what it says, on a small corpus."""

from __future__ import annotations

import numpy as np

from benchmarks.sampler import Size, corpus, measure


def test_the_corpus_has_all_its_clusters_and_some_are_rare() -> None:
    sizes = np.bincount(corpus(Size(5_000, 50, 1)))
    assert (len(sizes), sizes.sum()) == (50, 5_000) and sizes.min() >= 1 and sizes.max() > 20 * np.median(sizes) / 4


def test_measures() -> None:
    result = measure(Size(4_000, 20, 1))
    assert all(result[name] > 0 for name in (*result["target"], "times_torch_multinomial", "resume_seconds"))
    assert len(result["strategies"]) == 12
    assert all(row["largest_deviation_over_root_of_expected"] < 6 for row in result["strategies"])
    clipped = [row for row in result["strategies"] if row["strategy"] == "clusterclip"]
    assert all(0 < row["clusters_clipped"] < 20 and row["most_repeats"] == 2 for row in clipped)
