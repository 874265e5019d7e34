"""The small decoder that ships: what was measured at every checkpoint of its training, and some of the checkpoints.

`interp lm train` made it, `interp heads emergence` measured it, `interp lm ship` put it here.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from interp.heads.emergence import Emergence
from interp.models.checkpoints import Checkpoint, checkpoints
from interp.runs.folder import read_metrics

SHIPPED = Path(__file__).parent / "weights" / "decoder"


def shipped_emergence(folder: Path = SHIPPED) -> Emergence:
    """Levels of in-context learning and heads' relation indices at every checkpoint of the run."""
    return Emergence(*(pd.read_parquet(folder / f"{kind}.parquet") for kind in Emergence._fields))


def shipped_checkpoints(folder: Path = SHIPPED) -> list[Checkpoint]:
    """The checkpoints that ship, in order; the last one is the end of the run."""
    return checkpoints(folder)


def shipped_losses(folder: Path = SHIPPED) -> pd.DataFrame:
    """Losses during training in nats a token, columns step, kind, loss: `train`, and held-out of each kind of text."""
    rows = [
        {"step": line["step"], "kind": name.removesuffix("_loss") if name != "loss" else "train", "loss": value}
        for line in read_metrics(folder)
        for name, value in line.items()
        if name.endswith("loss")
    ]
    return pd.DataFrame(rows)
