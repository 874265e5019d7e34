"""The benchmark of ClusterClip: every measure has its rows, and the sweep tells what was knocked out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.clusterclip import measure
from tests.training.sampling.test_comparison import SMALL, run  # noqa: F401 - a fixture
from training.sampling.comparison import Comparison
from training.sampling.folder import SamplingRun


@pytest.mark.slow
def test_differences_are_told_by_measure(run: SamplingRun, tmp_path: Path) -> None:  # noqa: F811
    main = Comparison(("random", "clusterclip"), clip=2.5, seeds=2, training=SMALL)
    sweep = [Comparison(("clusterclip",), clip, seeds=2, training=SMALL) for clip in (3.0,)]
    sweep.append(Comparison(("clusterclip",), 1.0, "random", 2, SMALL))
    found = measure(run, tmp_path, main, sweep)
    for kind in ("loss", "gap"):
        assert {row["part"] for row in found[f"{kind}_against_random"]} == {"q1", "q2", "q3", "q4", "macro", "micro"}
        rows = pd.DataFrame(found[f"{kind}_sweep"])
        assert rows.groupby(["clip", "on_exhausted"]).size().to_dict() == {(1.0, "random"): 3, (3.0, "stop"): 3}
        assert (rows.loc[rows["clip"] == 1.0, "clipped"] == len(run.sizes)).all()
