"""A finished run over the documents of `interp.corpora.store`, whichever job made it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Int

from interp.runs.folder import read_finished
from interp.runs.parts import Parts

if TYPE_CHECKING:
    import pyarrow as pa


class DocumentRun:
    """A run folder with documents. What else is in it is for subclasses to read, when it is first asked for."""

    JOB: ClassVar[str]
    """What the manifest's config says of the folder under `job`."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self._documents = Parts(path / "documents")

    @classmethod
    def open(cls, path: Path) -> Self:
        """The run at `path`. Raises UserError if there is none, it is another job's, or it has not finished."""
        return cls(path, read_finished(path, cls.JOB))

    def __len__(self) -> int:
        return len(self._documents)

    def documents(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The documents in order as record batches, all columns or those named."""
        return self._documents.batches(columns)

    def documents_at(self, numbers: Int[np.ndarray, " row"], columns: Sequence[str] | None = None) -> pa.Table:
        """The documents of these numbers, in this order, repeats included."""
        return self._documents.take(numbers, columns)
