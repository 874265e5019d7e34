"""Comment density of many files: every source file below some folders, by a pool of processes or on Ray, resumable.

manifest.json                 folders and settings, by which a run is known again
files/part-00000.parquet      path, language: what is to be read
density/part-00000.parquet    path, language, reason (of skipped files), characters, comment, licence, header
"""

from __future__ import annotations

import os
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from interp.runs.engines import Engine, Shard, map_shards
from interp.runs.errors import UserError
from interp.runs.parts import Parts, part_path, write_part
from interp.runs.refusable import refusable
from training.comments.density import Count, file_count
from training.comments.languages import LANGUAGES, language_of
from training.comments.source import Unreadable

if TYPE_CHECKING:
    import pandas as pd

JOB = "comment density"
PART_FILES = 256
"""Files of a part: what is done again after a kill, at most."""
_LEFT_OUT = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
_SCHEMA = pa.schema(
    [("path", pa.string()), ("language", pa.string()), ("reason", pa.string())]
    + [(name, pa.int64()) for name in Count._fields]
)


def default_folders() -> list[Path]:
    """The standard library and the installed packages: code that every machine has."""
    return [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]


def source_files(folders: Sequence[Path]) -> Iterator[Path]:
    """Files in our languages, in the order of their names; hidden folders and caches are left out, links not followed.

    Packages inside a folder's `site-packages` are a corpus of their own: left out unless that folder is named itself.
    Raises UserError for a path that is not there or a file that is no source.
    """
    for folder in folders:
        if not folder.exists():
            raise UserError(f"there is no file or folder {folder}")
        if folder.is_file():
            if language_of(folder) is None:
                raise UserError(f"{folder} is in no language that we know; known are {', '.join(LANGUAGES)}")
            yield folder
            continue
        for place, inner, names in os.walk(folder):
            inner[:] = sorted(name for name in inner if name not in _LEFT_OUT and not name.startswith("."))
            yield from (path for name in sorted(names) if language_of(path := Path(place, name)) and path.is_file())


@dataclass(frozen=True)
class DensityStage:
    """Part of files in, their densities out."""

    markers: bool = False

    def __call__(self, source: Path, target: Path) -> None:
        """Read the files that the table `source` lists."""
        rows = [self._row(Path(path)) for path in pq.read_table(source)["path"].to_pylist()]
        write_part(target, pa.Table.from_pylist(rows, schema=_SCHEMA))

    def _row(self, path: Path) -> dict[str, Any]:
        language = language_of(path)
        assert language is not None  # the list has no others
        row: dict[str, Any] = {"path": str(path), "language": language.name}
        try:
            return row | file_count(path, language, markers=self.markers)._asdict()
        except Unreadable as error:
            return row | {"reason": str(error)}


def measure(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    markers: bool = False,
    engine: Engine = "auto",
    workers: int | None = None,
) -> pd.DataFrame:
    """Count the characters of every source file; a row a file, skipped ones with their reason.

    With `out` it is a run that can be resumed, without it nothing is kept. Raises UserError where there is no source file,
    or the run has other folders or `markers`.
    """
    if out is None:
        with tempfile.TemporaryDirectory(prefix="interp-density-") as made:
            _listed(folders, Path(made))
            return _counted(Path(made), DensityStage(markers), engine, workers)
    config = {"job": JOB, "folders": [str(folder.resolve()) for folder in folders], "markers": markers}
    with refusable(out, config=config, seed=0) as run:
        _listed(folders, out)
    table = _counted(out, DensityStage(markers), engine, workers)
    run.finish({"files": len(table), "skipped": int(table["reason"].notna().sum())})
    return table


def _listed(folders: Sequence[Path], place: Path) -> None:
    if not (place / "listed").exists():
        _list(source_files(folders), place / "files", folders)
        (place / "listed").touch()


def _counted(place: Path, stage: DensityStage, engine: Engine, workers: int | None) -> pd.DataFrame:
    listed = Parts(place / "files")
    shards = [Shard(path, place / "density" / path.name, pq.read_metadata(path).num_rows) for path in listed.paths]
    map_shards(stage, shards, engine=engine, workers=workers, unit="files", label="density")
    return pa.Table.from_batches(Parts(place / "density").batches()).to_pandas()


def _list(found: Iterator[Path], files: Path, folders: Sequence[Path]) -> None:
    paths = [str(path) for path in found]
    if not paths:
        told = ", ".join(map(str, folders))
        raise UserError(f"{told} has no source file; languages are {', '.join(LANGUAGES)}")
    for number, first in enumerate(range(0, len(paths), PART_FILES)):
        write_part(part_path(files, number), pa.table({"path": paths[first : first + PART_FILES]}))
