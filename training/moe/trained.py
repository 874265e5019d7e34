"""A mixture as it lies on disk, ready to be measured: of a run of `interp moe train`, or of `interp moe upcycle`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from interp.runs.errors import UserError
from interp.runs.folder import read_finished
from training.lm.train import packed_splits
from training.moe.decoder import moe_layers
from training.moe.evaluate import quality
from training.moe.held_out import HeldOut
from training.moe.mixtral import load_moe
from training.moe.pieces import positions_of
from training.moe.rules import Rules
from training.moe.text import text_of
from training.moe.train import JOB, MoETraining, dense_model, measured_on, settings_of
from training.moe.variants import label, name_of


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


def open_trained(folder: Path, *, device: str = "auto") -> Trained:
    """The model of a finished run, or of a folder with `moe.json`, which is measured on the installed text.

    Nothing is written. Raises UserError for any other folder, and for a run without its text.
    """
    if _is_run(folder):
        settings = settings_of(read_finished(folder, JOB)["config"])
        model, tokenizer = load_moe(folder / "model", device=device)
        text, dense = text_of(folder, settings)["held-out"], settings.model
    else:
        model, tokenizer = load_moe(folder, device=device)
        settings, dense = MoETraining(context=min(MoETraining.context, positions_of(model.config))), ""
        counts: Any = {"held-out": settings.held_out_tokens}
        text = packed_splits(settings.text, tokenizer, counts, shortest=settings.context)["held-out"]
    rules = next(iter(moe_layers(model).values())).rules
    return Trained(model, tokenizer, rules, measured_on(settings, text, tokenizer), settings.batch, dense)


def check_alike(folders: Sequence[Path]) -> None:
    """Raise UserError unless rows of one router are of runs that differ in seed alone.

    Runs may differ in seed, and in router by k and rectification; a folder of `interp moe upcycle` stands alone.
    """
    if len(folders) > 1 and (bare := [folder for folder in folders if not _is_run(folder)]):
        raise UserError(f"{bare[0]} is no run, so that its seed is unknown; accepted is such a folder alone")
    configs = {folder: read_finished(folder, JOB)["config"] for folder in folders if _is_run(folder)}
    seen: dict[Any, Path] = {}
    for folder, config in configs.items():
        first, given = next(iter(configs.items()))
        _refuse_other(first, folder, _but(given, "seed", "rules"), _but(config, "seed", "rules"), "seed or rules alone")
        rules = settings_of(config).rules
        router = f"{label(rules, config['router'])} {name_of(rules)}"
        like = seen.setdefault(router, folder)
        _refuse_other(like, folder, configs[like]["rules"], config["rules"], f"seed alone, both being {router}")
        if (twin := seen.setdefault((router, config["seed"]), folder)) != folder:
            raise UserError(f"{twin} and {folder} have the same seed and rules; accepted is each once")


def _is_run(folder: Path) -> bool:
    return (folder / "manifest.json").exists()


def _but(config: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in names}


def _refuse_other(first: Path, second: Path, given: dict[str, Any], found: dict[str, Any], accepted: str) -> None:
    for name in sorted(given.keys() | found.keys()):
        if given.get(name) != found.get(name):
            told = f"{first} and {second} differ in {name}: {given.get(name)} and {found.get(name)}"
            raise UserError(f"{told}; accepted are runs that differ in {accepted}")


def dense_measures(trained: Trained, *, device: str = "auto") -> dict[str, float]:
    """Loss and accuracy of the dense model that a mixture was made of, on the same held-out sequences."""
    return quality(dense_model(trained.dense, device=device).model, trained.held_out, batch=trained.batch)
