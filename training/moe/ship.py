"""The routing records that come with the package, for the app, the notebook and for trying things out.

    training/moe/demo/          a run folder: counts of all steps, routes and logits of a few, domains of their texts
        licences/               of the text that was routed

They are of a really trained mixture: `interp moe train --record-every ...`, then `interp moe ship`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from interp.runs.atomic import sha256, write_json, write_text
from interp.runs.errors import UserError
from interp.runs.folder import origin
from interp.runs.parts import part_path, write_part
from training.moe.record_files import Records
from training.moe.records import LOADS

DEMO = Path(__file__).parent / "demo"
MOST_BYTES = 2_000_000
"""That shipped records may have, licences included."""
_NOTICE = """{about}
The text's authors are named by the licences beside this file. Only the tokens that were routed are here.
"""


def ship(run: Path, steps: Sequence[int], licences: Sequence[Path], about: str, folder: Path = DEMO) -> dict[str, Any]:
    """Copy a finished run's records: routes and logits of `steps`, counts of all; return the manifest.

    `about` says in the notice what the text is. Raises UserError, and leaves `folder` as it is, if the run is not finished,
    has no routes of a step, a licence is missing, or the result is larger than what a package should carry.
    """
    records = Records.open(run)
    if strangers := sorted(set(steps) - set(records.routed_steps)):
        told = ", ".join(map(str, records.routed_steps))
        raise UserError(f"{run} has no routes of step {strangers[0]}; it has those of {told}")
    if not steps or not records.manifest or not records.replayable:
        raise UserError(f"{run} cannot be shipped; accepted is a run with logits, and one of its steps at least")
    if not licences:
        raise UserError("no licence is given; accepted are the licences of the text, which must go with it")
    if missing := [path for path in licences if not path.is_file()]:
        raise UserError(f"{missing[0]} is missing; accepted is the licence of the text, which must go with it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        new = Path(place) / "demo"
        _write_tables(records, sorted(steps), new)
        (new / "licences").mkdir()
        for name, path in _names(licences).items():
            shutil.copyfile(path, new / "licences" / name)
        write_text(new / "licences" / "NOTICE", _NOTICE.format(about=about))
        files = sorted(path for path in new.rglob("*") if path.is_file())
        if (size := sum(path.stat().st_size for path in files)) > MOST_BYTES:
            raise UserError(f"the records would have {size:,} bytes; accepted are {MOST_BYTES:,}: ship fewer steps")
        hashes = {str(path.relative_to(new)): sha256(path) for path in files}
        manifest = {
            **origin(records.manifest),
            "status": "complete",
            "results": records.manifest["results"],
            "sha256": hashes,
        }
        write_json(new / "manifest.json", manifest)
        _put(new, folder)
    return manifest


def _write_tables(records: Records, steps: list[int], folder: Path) -> None:
    """One part a table, but one a step for routes and logits."""
    for step in steps:
        for table in ("routes", "logits"):
            rows = records.tables[table].to_table(filter=ds.field("step") == step)
            _write(part_path(folder / table, step), rows)
    counts = records.seen.reset_index()
    rest = counts[~counts["step"].isin(steps)]
    _write(part_path(folder / "loads", 0), pa.Table.from_pandas(rest[LOADS.names], schema=LOADS, preserve_index=False))
    _write(part_path(folder / "passes", 0), records.tables["passes"].to_table())
    if "domains" in records.tables:
        texts = records.tables["routes"].to_table(columns=["sequence"], filter=ds.field("step").isin(steps))["sequence"]
        rows = records.tables["domains"].to_table(filter=ds.field("sequence").isin(texts.unique()))
        _write(part_path(folder / "domains", 0), rows)


def _write(path: Path, rows: pa.Table) -> None:
    """Small, so without dictionaries of numbers that hardly repeat, which would double them."""
    words = [
        field.name for field in rows.schema if not pa.types.is_floating(field.type) and not pa.types.is_nested(field.type)
    ]
    write_part(path, rows, level=19, dictionaries=words)


def _names(licences: Sequence[Path]) -> dict[str, Path]:
    """Names that tell the licences apart: the last parts of their paths, two or as many as it takes."""
    paths = list(dict.fromkeys(path.resolve() for path in licences))
    longest = max(len(path.parts) for path in paths)
    for count in range(2, longest + 1):
        named = {"-".join(part.strip("/") for part in path.parts[-count:]): path for path in paths}
        if len({name.casefold() for name in named}) == len(paths):
            return named
    raise UserError(f"the licences {', '.join(map(str, paths))} cannot be told apart; accepted are those of other names")


def _put(new: Path, folder: Path) -> None:
    """Have `new` in the place of `folder`, which is there, old or new, but for the moment between two renames."""
    old = new.with_name("old")
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
