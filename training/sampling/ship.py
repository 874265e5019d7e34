"""The prepared run that comes with the package, for the app and for trying things out.

    training/sampling/demo/     a run folder without embeddings, which are larger than all the rest
        LICENSE.txt             of the documents: Python's own documentation

It is made by `interp sample documentation`, `interp sample prepare` and `interp sample ship`.
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Any

from interp.runs.atomic import sha256, write_json
from interp.runs.errors import UserError
from interp.runs.folder import origin
from training.sampling.folder import SamplingRun

DEMO = Path(__file__).parent / "demo"
LARGEST = 1_500_000
"""Bytes that a shipped run may have in all."""
MOST_CHARACTERS = 1_000_000
_CARRIED = ("assignments.parquet", "clusters.parquet", "centroids.safetensors", "set_aside.parquet")
_LICENSE = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"


def ship(run: Path, folder: Path = DEMO, *, license_file: Path = _LICENSE) -> dict[str, Any]:
    """Copy a finished run, all but its embeddings, with its documents' licence; return the manifest.

    Raises UserError, and leaves `folder` as it is, if the run is not finished, is larger than what a package should
    carry, or the licence is missing.
    """
    found = SamplingRun.open(run)
    sources = [run / name for name in _CARRIED] + sorted((run / "documents").glob("part-*.parquet")) + [license_file]
    if not license_file.exists():
        raise UserError(f"{license_file} is missing; accepted is the licence of the documents, which must go with them")
    size, characters = sum(path.stat().st_size for path in sources), int(found.manifest["results"]["characters"])
    if size > LARGEST or characters > MOST_CHARACTERS:
        raise UserError(
            f"{run} has {characters:,} characters and {size:,} bytes without its embeddings; accepted to be shipped are "
            f"{MOST_CHARACTERS:,} and {LARGEST:,}"
        )
    if folder.exists():
        shutil.rmtree(folder)
    (folder / "documents").mkdir(parents=True)
    hashes = {}
    for path in sources:
        inside = Path("LICENSE.txt") if path == license_file else path.relative_to(run)
        shutil.copyfile(path, folder / inside)
        hashes[str(inside)] = sha256(folder / inside)
    manifest = found.manifest
    shipped = {**origin(manifest), "status": "complete", "results": manifest["results"], "sha256": hashes}
    write_json(folder / "manifest.json", shipped)
    return shipped
