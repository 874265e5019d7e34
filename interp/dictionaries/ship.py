"""From a finished run to a set that comes with the package, with a manifest that says how it came about.

The manifest names the transformer whose activations the set was trained on (hash of its weights), so that a set is
never used with another one unnoticed, and holds the evaluation of the very files that ship.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from interp.dictionaries.evaluate import evaluate_set
from interp.dictionaries.sets import SHIPPED, load_set, set_folder
from interp.othello.games import POSITIONS
from interp.othello.probes import Probes
from interp.othello.transformer import SHIPPED as TRANSFORMER
from interp.othello.transformer import load
from interp.runs.atomic import sha256, write_json
from interp.runs.errors import UserError
from interp.runs.folder import finished_manifest, origin


def ship(
    run: Path, name: str, *, games: int = 200, seed: int = 7, probes: Probes | None = None, folder: Path = SHIPPED
) -> dict[str, Any]:
    """Copy the set of `run` to the package under `name`, evaluate it on unseen games, and return its manifest.

    A run that began from a shipped set carries that set's history along. Raises UserError, and writes nothing, if the run
    is not finished, began from a set of unknown history, or holds no set.
    """
    manifest = finished_manifest(run)
    history = _history(manifest)
    dictionaries = load_set(run / "set")
    result = evaluate_set(load(TRANSFORMER), dictionaries, games=games, seed=seed, probes=probes)
    place = folder / name
    dictionaries.save(place)
    config = manifest["config"]
    own = config["steps"] * config["games"] * POSITIONS
    shipped = {
        **origin(manifest),
        "positions": own + sum(earlier["positions"] for earlier in history),
        "history": history,
        "transformer": sha256(TRANSFORMER),
        "sha256": {site: sha256(place / site / "sae_weights.safetensors") for site in dictionaries},
        "results": {"games": games, "seed": seed, **result._asdict()},
    }
    write_json(place / "manifest.json", shipped)
    return shipped


def _history(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs whose set this one began from, oldest first."""
    if not (start := manifest["config"].get("warm_start")):
        return []
    told = set_folder(start) / "manifest.json"
    if not told.exists():
        raise UserError(f"the run began from {start}, and no manifest.json there tells its history")
    earlier = json.loads(told.read_text())
    before = earlier.get("history", [])
    if earlier["started"] == manifest["started"]:  # shipped once before, over the set that it began from
        return before
    positions = earlier["positions"] - sum(run["positions"] for run in before)
    return [*before, {"positions": positions, "seed": earlier["seed"], "command": earlier["command"]}]
