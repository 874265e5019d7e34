"""A mixture as it lies on disk, ready to be measured: of a run of `interp moe train`, or of `interp moe upcycle`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from interp.runs.errors import UserError
from interp.runs.folder import read_finished
from training.moe.decoder import moe_layers
from training.moe.evaluate import task_accuracy, text_loss
from training.moe.held_out import HeldOut
from training.moe.mixtral import load_moe
from training.moe.rules import Rules
from training.moe.train import JOB, MoETraining, dense_model, measured_on, prepared_text, settings_of


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
        settings = settings_of(read_finished(folder, JOB)["config"])
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


def check_alike(folders: Sequence[Path]) -> None:
    """Raise UserError unless means over these runs are means over seeds: they may differ in seed and rules alone."""
    configs = {folder: read_finished(folder, JOB)["config"] for folder in folders if (folder / "manifest.json").exists()}
    seen: dict[str, Path] = {}
    for folder, config in configs.items():
        first, given = next(iter(configs.items()))
        for name in sorted(config.keys() - {"seed", "rules"}):
            if config[name] != given.get(name):
                told = f"{first} and {folder} differ in {name}: {given.get(name)} and {config[name]}"
                raise UserError(f"{told}; accepted are runs that differ in seed or rules alone")
        if (twin := seen.setdefault(json.dumps([config["seed"], config["rules"]]), folder)) != folder:
            raise UserError(f"{twin} and {folder} have the same seed and rules; accepted is each once")


def dense_measures(trained: Trained, *, device: str = "auto") -> dict[str, float]:
    """Loss and accuracy of the dense model that a mixture was made of, on the same held-out sequences."""
    dense, batch = dense_model(trained.dense, device=device).model, trained.batch
    loss, accuracy = (measure(dense, trained.held_out, batch=batch) for measure in (text_loss, task_accuracy))
    return {"loss": loss, "accuracy": accuracy}
