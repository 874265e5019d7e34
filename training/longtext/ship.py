"""The scored run that comes with the package, for the app, the notebook and for trying things out.

    training/longtext/demo/     a run folder
        licences/               of its documents: Python's documentation (PSF), Dive into Deep Learning in Chinese
                                (Apache 2.0), tldr pages in Chinese (CC BY 4.0)

It is made by `interp longtext construct`, `interp longtext score --metrics all` and `interp longtext ship`; what its
documents were constructed as is a column of its own, which no score is computed from.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interp.runs.atomic import sha256, write_json, write_text
from interp.runs.errors import UserError
from interp.runs.folder import origin
from training.longtext.folder import LongTextRun

DEMO = Path(__file__).parent / "demo"
MOST_BYTES = 1_000_000
"""Of text, in UTF-8, that a shipped run may have."""
_TABLES = ("documents", "scores", "evidence")
_NOTICE = """What was changed: {changes}
The documents' authors are named by the licences beside this file; where each document is from, and by which command, is in
its column `source` and in the manifest.
"""


def ship(run: Path, licences: Sequence[Path], changes: str, folder: Path = DEMO) -> dict[str, Any]:
    """Copy a finished run with the licences of its documents; return the manifest. `changes` says what was done to them.

    Raises UserError, and leaves `folder` as it is, if the run is not finished, its text is larger than what a package
    should carry, or a licence is missing.
    """
    found = LongTextRun.open(run)
    size = int(found.scores["bytes"].sum())
    if size > MOST_BYTES:
        raise UserError(f"{run} has {size:,} bytes of text; accepted to be shipped are {MOST_BYTES:,}")
    if missing := [path for path in licences if not path.is_file()]:
        raise UserError(f"{missing[0]} is missing; accepted is the licence of the documents, which must go with them")
    if not licences:
        raise UserError("no licence is given; accepted are the licences of the documents, which must go with them")
    sources = {path.relative_to(run): path for path in _files(run)}
    sources |= {Path("licences") / f"{path.parent.name}-{path.name}": path for path in licences}
    if folder.exists():
        shutil.rmtree(folder)
    hashes = {}
    for inside, path in sources.items():
        (folder / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / inside)
        hashes[str(inside)] = sha256(folder / inside)
    write_text(folder / "licences" / "NOTICE", _NOTICE.format(changes=changes))
    hashes["licences/NOTICE"] = sha256(folder / "licences" / "NOTICE")
    manifest = found.manifest
    shipped = {**origin(manifest), "status": "complete", "results": manifest["results"], "sha256": hashes}
    write_json(folder / "manifest.json", shipped)
    return shipped


def _files(run: Path) -> list[Path]:
    parts = [path for table in _TABLES for path in sorted((run / table).glob("part-*.parquet"))]
    return [*parts, run / "set_aside.parquet", *run.glob("thresholds.json")]
