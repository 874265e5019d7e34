"""A corpus whose documents lie in groups: what samplers, schedules and the export ask of a run folder.

`interp sample prepare` groups by cluster, `interp longtext score` by language and type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from jaxtyping import Int

from interp.runs.folder import read_manifest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_READERS = {"longtext score": ("training.longtext.folder", "LongTextRun")}
"""Module and class that reads a folder, by the job in its manifest; all others are for SamplingRun to read or refuse."""


class GroupedCorpus(Protocol):
    """Documents in an order, each in one group or none."""

    path: Path

    def __len__(self) -> int: ...

    @property
    def assignments(self) -> pd.DataFrame:
        """A row a document, with `id`, `cluster` (negative for none) and `duplicate_of` (null for what is drawn)."""

    @property
    def sizes(self) -> Int[np.ndarray, " cluster"]:
        """Documents of each group that can be drawn."""

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The documents in order, all columns or those named."""


def open_grouped(path: Path) -> GroupedCorpus:
    """The run at `path`, whichever job made it. Raises UserError if there is none, or it has not finished."""
    job = read_manifest(path).get("config", {}).get("job")
    module, reader = _READERS.get(job, ("training.sampling.folder", "SamplingRun"))
    found: GroupedCorpus = getattr(import_module(module), reader).open(path)
    return found
