"""A mixture as it lies on disk, ready to be measured: of a run of `interp moe train`, or of `interp moe upcycle`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from interp.runs.folder import read_finished
from training.moe.decoder import moe_layers
from training.moe.evaluate import task_accuracy, text_loss
from training.moe.held_out import HeldOut
from training.moe.mixtral import load_moe
from training.moe.rules import Rules
from training.moe.train import MoETraining, dense_model, measured_on, prepared_text, settings_of


class Trained(NamedTuple):
    """A model, and what it is measured with."""

    model: Any
    tokenizer: Any
    rules: Rules
    """It was trained with."""
    held_out: HeldOut
    batch: int
    """Sequences that are routed together."""
    dense: str
    """Name of the model it was made of, empty if unknown."""


def open_trained(folder: Path, *, text: Path | None = None, device: str = "auto") -> Trained:
    """The model of a finished run, or of a folder with `moe.json`, which is measured on the installed text.

    `text` is the folder in which a run's text lies, if not its own. Raises UserError for any other folder.
    """
    if (folder / "manifest.json").exists():
        settings = settings_of(read_finished(folder, "moe train")["config"])
        model, tokenizer = load_moe(folder / "model", device=device)
        tokens = prepared_text(settings, tokenizer, text or folder)
        dense = settings.model
    else:
        model, tokenizer = load_moe(folder, device=device)
        settings, dense = MoETraining(), ""
        with TemporaryDirectory() as place:
            tokens = prepared_text(settings, tokenizer, Path(place))
    rules = next(iter(moe_layers(model).values())).rules
    held_out = measured_on(settings, tokens["held-out"], tokenizer)
    return Trained(model, tokenizer, rules, held_out, settings.batch, dense)


def dense_measures(trained: Trained, *, device: str = "auto") -> dict[str, float]:
    """Loss and accuracy of the dense model that a mixture was made of, on the same held-out sequences."""
    dense, batch = dense_model(trained.dense, device=device).model, trained.batch
    loss, accuracy = (measure(dense, trained.held_out, batch=batch) for measure in (text_loss, task_accuracy))
    return {"loss": loss, "accuracy": accuracy}
