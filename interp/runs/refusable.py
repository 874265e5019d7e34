"""A run whose input is new to us: refused, it leaves its folder as it was, for the corrected command to take."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import PartialState

from interp.runs.atomic import write_text
from interp.runs.errors import UserError
from interp.runs.folder import Run
from interp.runs.lock import release


@contextmanager
def refusable(out: Path, *, config: dict[str, Any], seed: int) -> Iterator[Run]:
    """The run in `out`, started or taken up; a UserError in the block brings back the folder as it was before.

    Raises UserError as `Run.open` does, and then nothing is written.
    """
    before, manifest = set(out.iterdir()) if out.is_dir() else None, out / "manifest.json"
    held = manifest.read_text() if manifest.exists() else None
    run = Run.open(out, config=config, seed=seed, primary=PartialState().is_main_process)
    try:
        yield run
    except UserError:
        if run.primary:
            release(out)
            _remove_new(out, before)
            if held is not None:
                write_text(manifest, held)
        raise


def _remove_new(out: Path, before: set[Path] | None) -> None:
    if before is None:
        shutil.rmtree(out)
        return
    for path in set(out.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
