"""A prepared corpus with given clusters, without embedding anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from interp.runs.atomic import write_frame, write_json
from interp.runs.parts import part_path, write_part
from training.sampling.folder import JOB, SamplingRun


def make_run(folder: Path, sizes: Sequence[int], *, duplicates: int = 0, part_rows: int = 7) -> SamplingRun:
    """Documents of clusters in mixed order, each text naming its number; the last `duplicates` ones are duplicates."""
    clusters = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    clusters = np.concatenate([clusters, np.zeros(duplicates, int)])
    total = len(clusters)
    names = [f"d{number}" for number in range(total)]
    texts = [f"text ß {number}" + "x" * (number % 5) for number in range(total)]
    documents = {
        "id": names,
        "text": pa.array(texts, pa.large_string()),
        "source": ["web"] * total,
        "characters": [len(text) for text in texts],
        "tokens": [1 + number % 4 for number in range(total)],
        "score": [None if number % 3 == 0 else float("nan") if number % 3 == 1 else 0.5 for number in range(total)],
    }
    for part, first in enumerate(range(0, total, part_rows)):
        write_part(
            part_path(folder / "documents", part),
            pa.table({name: column[first : first + part_rows] for name, column in documents.items()}),
        )
    copies = [names[0] if number >= total - duplicates else None for number in range(total)]
    assigned = {"id": names, "cluster": clusters.astype(np.int32), "duplicate_of": copies}
    write_frame(folder / "assignments.parquet", pd.DataFrame(assigned))
    write_frame(folder / "clusters.parquet", pd.DataFrame({"cluster": range(len(sizes)), "size": sizes}))
    write_json(folder / "manifest.json", {"config": {"job": JOB}, "seed": 0, "status": "complete"})
    return SamplingRun.open(folder)
