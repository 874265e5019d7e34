"""Real text of a run, in the tokens of its model: written once, and never taken for the text of another run.

A run has it in its own folder, the runs of a comparison share it in the folder above theirs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Int
from safetensors import safe_open
from torch import Tensor

from interp.runs.atomic import write_tensors
from interp.runs.errors import UserError
from training.lm.train import packed_splits, read_packed

if TYPE_CHECKING:
    from training.moe.train import MoETraining

FILE = "text.safetensors"
_ORIGIN = ("model", "text", "text_tokens", "held_out_tokens")
"""Settings that decide what is in it, kept as its metadata."""


def prepared_text(settings: MoETraining, tokenizer: Any, folder: Path) -> dict[str, Int[Tensor, " token"]]:
    """Train and held-out text in `folder`; made and written if there is none.

    Raises UserError for a text that is too short, and if the one that is there is of other settings.
    """
    file = folder / FILE
    if file.exists():
        return _read(file, settings)
    counts: Any = {"train": settings.text_tokens, "held-out": settings.held_out_tokens}
    found = packed_splits(settings.text, tokenizer, counts, shortest=settings.context)
    write_tensors(file, found, _origin(settings))
    return found


def text_of(run: Path, settings: MoETraining) -> dict[str, Int[Tensor, " token"]]:
    """Text of the run that was trained at `run` with these settings. Raises UserError where there is none, or another."""
    for folder in (run, run.absolute().parent):
        if (folder / FILE).exists():
            return _read(folder / FILE, settings)
    raise UserError(f"neither {run} nor the folder above has {FILE}; accepted is a run with the text it was trained on")


def _read(file: Path, settings: MoETraining) -> dict[str, Tensor]:
    with safe_open(file, framework="pt") as stored:
        found = stored.metadata() or {}
    wanted = _origin(settings)
    if changed := [name for name in _ORIGIN if found.get(name) != wanted[name]]:
        told = ", ".join(f"{name} {found.get(name)} (now {wanted[name]})" for name in changed)
        raise UserError(f"{file} is of other settings: {told}; take another folder")
    return read_packed(file)


def _origin(settings: MoETraining) -> dict[str, str]:
    return {name: str(getattr(settings, name)) for name in _ORIGIN}
