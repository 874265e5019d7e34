"""Counts of a whole stream against the stream itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.training.sampling.made_run import make_run
from training.sampling.draws import draw
from training.sampling.schedule import Schedule
from training.sampling.strategies import Budget, Strategy


def test_counts_are_those_of_the_stream(tmp_path: Path) -> None:
    run = make_run(tmp_path, [12, 6, 1, 0], duplicates=3)
    strategy = Strategy.named("clusterclip", clip=1.5, order="round_robin")
    schedule = Schedule.of_run(run, strategy, Budget(20), seed=3)
    found, stream = draw(run, schedule), list(schedule.sampler(run))
    assert found.documents.tolist() == np.bincount(stream, minlength=22).tolist()
    assert found.counts.tolist() == [10, 9, 1, 0] and found.expected.tolist() == [10, 9, 1, 0]
    assert found.clipped == [1, 2]
    assert (found.total, found.different, found.max_repeats) == (20, len(set(stream)), 2)
