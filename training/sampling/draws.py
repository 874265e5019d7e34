"""What a schedule really draws of a corpus, beside what is expected: all its draws made and counted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from training.sampling.grouped import GroupedCorpus
from training.sampling.sampler import drawable
from training.sampling.schedule import Schedule


class Drawn(NamedTuple):
    """Draws of a whole stream."""

    documents: Int[np.ndarray, " document"]
    """Draws of each document."""
    counts: Int[np.ndarray, " cluster"]
    """Draws of each cluster."""
    expected: Float[np.ndarray, " cluster"]
    clipped: list[int]
    """Clusters that have no draw left."""

    @property
    def total(self) -> int:
        """Draws in all."""
        return int(self.documents.sum())

    @property
    def different(self) -> int:
        """Documents that were drawn at all."""
        return int((self.documents > 0).sum())

    @property
    def max_repeats(self) -> int:
        """Most draws of one document."""
        return int(self.documents.max(initial=0))


def draw(run: GroupedCorpus, schedule: Schedule) -> Drawn:
    """Draw all that `schedule` asks of `run`, and count. Raises UserError as `Schedule.sampler` does."""
    sampler, documents = schedule.sampler(run), np.zeros(len(run), np.int64)
    for block in sampler.blocks():
        documents += np.bincount(block, minlength=len(documents))
    sizes = np.array(schedule.sizes)
    cluster, drawn = drawable(run), documents > 0
    counts = np.bincount(cluster[drawn], weights=documents[drawn], minlength=len(sizes)).astype(np.int64)
    limits = schedule.strategy.limits(sizes)
    clipped = np.flatnonzero((limits > 0) & (counts >= limits)).tolist()
    return Drawn(documents, counts, schedule.expected().counts, clipped)
