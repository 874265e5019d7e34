"""From a finished run to the weights that come with the package, with a manifest that says how they came about.

The bar is the project's own: first choice legal in 99 % of the positions after plies 1 .. 59 of 2,000 unseen games, and
0.92 of the probability on legal moves. What is measured is what is written: half precision is taken before measuring.
A run that began from other weights carries their history along.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from interp.models.card import WEIGHTS, othello_card
from interp.othello.evaluate import Legality, evaluate
from interp.othello.probe_report import digest
from interp.othello.probes import load_probes, save_probes
from interp.othello.transformer import OthelloTransformer, load, save
from interp.runs.atomic import sha256, write_json, write_text
from interp.runs.device import resolve
from interp.runs.errors import UserError
from interp.runs.folder import finished_manifest, origin

LEAST_TOP1, LEAST_MASS = 0.99, 0.92
GAMES, SEED = 2000, 7
"""Unseen games that decide, and the seed of their stream."""


def ship(run: Path, folder: Path = WEIGHTS, *, half: bool = False, device: str = "auto") -> dict[str, Any]:
    """Measure the transformer of `run` and write weights, manifest and card to `folder`; return the manifest.

    Raises UserError, and leaves `folder` as it is, if the run is not finished, if it began from weights of unknown
    history, or if its transformer is below the bar.
    """
    manifest = finished_manifest(run)
    history = _history(manifest)
    model = load(run / "model.safetensors")
    if half:
        model = _rounded(model)
    where = resolve(device)
    result = evaluate(model.to(where), games=GAMES, seed=SEED, device=where)
    _refuse_below_bar(run, result)
    games = _games(manifest) + sum(earlier["games"] for earlier in history)
    weights = folder / "model.safetensors"
    save(model.half() if half else model, weights, {"games": str(games)})
    shipped = {
        **origin(manifest),
        "games": games,
        "data": "random legal games, generated as needed; training and unseen games come from different streams",
        "history": history,
        "precision": "float16" if half else "float32",
        "sha256": sha256(weights),
        "results": {"seed": SEED, **result._asdict()},
    }
    write_json(folder / "manifest.json", shipped)
    write_text(folder / "MODEL_CARD.md", othello_card(folder))
    return shipped


def ship_probes(run: Path, folder: Path = WEIGHTS) -> dict[str, Any]:
    """Copy the probes that `interp othello probe` left in `run` beside the shipped transformer; return their manifest.

    Raises UserError, and leaves `folder` as it is, if they were fitted to another transformer.
    """
    probes = load_probes(run / "probes.safetensors")
    manifest = json.loads((run / "probes.json").read_text())
    shipped = digest(load(folder / "model.safetensors"))
    if manifest["transformer"] != shipped:
        raise UserError(f"the probes in {run} read transformer {manifest['transformer']}, but {shipped} is shipped")
    save_probes(probes, folder / "probes.safetensors", manifest)
    write_text(folder / "MODEL_CARD.md", othello_card(folder))
    return manifest


def _refuse_below_bar(run: Path, result: Legality) -> None:
    if result.legal_top1 < LEAST_TOP1 or result.legal_mass < LEAST_MASS:
        raise UserError(
            f"{run} is below the bar on {result.games:,} unseen games: first choice legal {result.legal_top1:.4f} (at "
            f"least {LEAST_TOP1}), probability on legal moves {result.legal_mass:.4f} (at least {LEAST_MASS})"
        )


def _rounded(model: OthelloTransformer) -> OthelloTransformer:
    """Every weight as float16 holds it, computing in float32."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    return model


def _games(manifest: dict[str, Any]) -> int:
    """Games that a run, or a described file of weights, was trained on."""
    config = manifest.get("config")
    return int(config["steps"] * config["batch"]) if config else int(manifest["games"])


def _history(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """What was trained before the run began, oldest first; told by the JSON file beside the weights it began from."""
    if not (start := manifest["config"].get("warm_start")):
        return []
    weights = Path(start)
    told = [path for name in ("manifest.json", "README.json") if (path := weights.with_name(name)).exists()]
    if not told or not weights.exists():
        raise UserError(f"the run began from {weights}, and no manifest.json or README.json there tells their history")
    earlier = json.loads(told[0].read_text())
    before = {
        "games": _games(earlier),
        "seed": earlier["seed"],
        "command": earlier["command"],
        "note": _ending(weights),
        "sha256": sha256(weights),
    }
    return [*earlier.get("history", []), before]


def _ending(weights: Path) -> str:
    """Whether a run's weights are its last, or from before its end: a checkpoint's copy still says at which step."""
    with safe_open(weights, framework="pt") as file:
        progress = json.loads((file.metadata() or {}).get("progress", "{}"))
    if not progress:
        return "a complete run"
    part = "before" if progress["step"] <= progress["decay_start"] else "during"
    return f"stopped after {progress['step']:,} of {progress['steps']:,} steps, {part} the decay of its learning rate"
