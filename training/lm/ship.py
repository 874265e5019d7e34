"""From a finished and measured run to the decoder that comes with the package."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interp.heads.decoder import SHIPPED
from interp.heads.emergence import Emergence, read_emergence
from interp.models.checkpoints import checkpoints
from interp.runs.atomic import sha256, write_frame, write_json
from interp.runs.errors import UserError
from interp.runs.folder import finished_manifest, origin


def ship(run: Path, steps: Sequence[int], folder: Path = SHIPPED) -> dict[str, Any]:
    """Copy the checkpoints of `steps` and the last one, and the tables over all checkpoints; return the manifest.

    Raises UserError, and leaves `folder` as it is, if the run is not finished or not measured at every checkpoint, or
    has no checkpoint of a step.
    """
    manifest = finished_manifest(run)
    found = {one.step: one for one in checkpoints(run)}
    if strangers := [step for step in steps if step not in found]:
        raise UserError(f"{run} has no checkpoint of step {strangers[0]}; it has {', '.join(map(str, found))}")
    measured = _measured(run)
    if folder.exists():
        shutil.rmtree(folder)
    for step in sorted({*steps, max(found)}):
        place = folder / Path(found[step].model).name
        shutil.copytree(found[step].model, place)
    for kind, table in measured._asdict().items():
        write_frame(folder / f"{kind}.parquet", table)
    shutil.copyfile(run / "metrics.jsonl", folder / "metrics.jsonl")
    hashes = {place.parent.name: sha256(place) for place in sorted(folder.glob("step_*/model.safetensors"))}
    shipped = {**origin(manifest), "checkpoints": list(found), "sha256": hashes, "results": manifest["results"]}
    write_json(folder / "manifest.json", shipped)
    return shipped


def _measured(run: Path) -> Emergence:
    try:
        return read_emergence(run, checkpoints(run))
    except FileNotFoundError as error:
        raise UserError(f"{run} is not measured ({error.filename} is missing): `interp heads emergence {run}`") from None
