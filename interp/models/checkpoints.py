"""The snapshots of a training run: a folder `step_N` each in transformers' format, or revisions on the Hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from interp.runs.errors import UserError

_NAME = re.compile(r"step_(\d+)")


class Checkpoint(NamedTuple):
    """A model after so many steps of training."""

    step: int
    model: str
    """What `interp.models.load` takes: a folder, or a revision on the Hub such as EleutherAI/pythia-160m@step512."""


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the snapshot of a step stands."""
    return folder / f"step_{step:06d}"


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The snapshots in a run's folder `checkpoints`, or in `folder` itself, in order. Raises UserError if there is none."""
    places = [*folder.glob("step_*"), *folder.glob("checkpoints/step_*")]
    found = [(match, path) for path in places if (match := _NAME.fullmatch(path.name))]
    if not found:
        raise UserError(f"{folder} holds no checkpoints; accepted is a folder with step_000000, step_000001, ...")
    return sorted(Checkpoint(int(match[1]), str(path)) for match, path in found)


def revisions(model: str, names: Sequence[str]) -> list[Checkpoint]:
    """Revisions of a model on the Hub, each named after its step, such as step512.

    Raises UserError for a name without a number.
    """
    found = []
    for name in names:
        if not (number := re.search(r"\d+", name)):
            raise UserError(f"revision '{name}' says no step; accepted are names with a number, such as step512")
        found.append(Checkpoint(int(number[0]), f"{model}@{name}"))
    return sorted(found)
