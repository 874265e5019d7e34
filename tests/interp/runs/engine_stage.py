"""A stage for tests of the engines: a text in capitals, and who wrote it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from interp.runs.atomic import write_text
from interp.runs.engines import Shard, map_shards
from interp.runs.errors import UserError


def upper(source: Path, target: Path) -> None:
    """Write the capitals of `source`; `refuse` is refused, `die` kills the process, `wait` takes for ever."""
    text = source.read_text()
    if text == "refuse":
        raise UserError("one sentence")
    if text == "die":
        os._exit(9)
    if text == "wait":
        write_text(target.with_suffix(".waiting"), str(os.getpid()))
        time.sleep(3600)
    write_text(target, f"{text.upper()} {os.getpid()}")


def shards_of(folder: Path) -> list[Shard]:
    """A shard for every text in `folder`; targets lie in `out` below it."""
    return [Shard(source, folder / "out" / source.name, 1) for source in sorted(folder.glob("*.txt"))]


if __name__ == "__main__":
    map_shards(upper, shards_of(Path(sys.argv[1])), workers=2)
