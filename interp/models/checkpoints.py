"""The snapshots of a training run, as a folder `step_N` each in transformers' format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from interp.runs.errors import UserError

_NAME = re.compile(r"step_(\d+)")


class Checkpoint(NamedTuple):
    """A model after so many steps of training."""

    step: int
    path: Path


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the snapshot of a step stands."""
    return folder / f"step_{step:06d}"


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The snapshots in a run's folder `checkpoints`, or in `folder` itself, in order. Raises UserError if there is none."""
    places = [*folder.glob("step_*"), *folder.glob("checkpoints/step_*")]
    found = [(match, path) for path in places if (match := _NAME.fullmatch(path.name))]
    if not found:
        raise UserError(f"{folder} holds no checkpoints; accepted is a folder with step_000000, step_000001, ...")
    return sorted(Checkpoint(int(match[1]), path) for match, path in found)
