"""Comment density of the standard library and the installed packages by language, and files counted a second.

The bar is 80 files a second over site-packages on two cores. Files are read, lexed and counted by a pool of two processes;
the time is that of `training.comments.corpus.measure` as a whole, the walk and the start of the processes included.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, publish
from training.comments.corpus import default_folders, measure
from training.comments.tables import summary

WORKERS = 2
QUICK = "pygments"
"""Package that a quick run counts."""


def of(folder: Path) -> dict[str, Any]:
    """Densities of a folder, rows by language, and the time it took."""
    began = time.perf_counter()
    found = measure([folder], engine="process", workers=WORKERS)
    seconds = time.perf_counter() - began
    result = summary(found)
    result["by_language"] = [{"language": name, **one} for name, one in result["by_language"].items() if one["characters"]]
    return {**result, "files_a_second": len(found) / seconds, "seconds_taken": seconds}


def main() -> None:
    """Measure and write the result."""
    given = arguments(__doc__).parse_args()
    library, packages = default_folders()
    parts = {"site_packages": packages / QUICK if given.quick else packages}
    parts |= {} if given.quick else {"standard_library": library}
    result: dict[str, Any] = {name: of(folder) for name, folder in parts.items()}
    result |= {
        "target": {"site_packages, files_a_second": 80},
        "note": (
            "Characters in comments and docstrings over all characters: micro over all files, macro as the mean of files. "
            f"{WORKERS} processes."
        ),
    }
    publish("comment_density", result, quick=given.quick)


if __name__ == "__main__":
    main()
