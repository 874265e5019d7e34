"""What another run has made of a corpus, taken over into a new one, which clusters it otherwise without embedding it again.

Documents, the fitted embedder, near-duplicates and embeddings do not depend on the clusters. They become hard links to the
other run's files, or copies where the disk has no links: either run can be deleted. No file of a run is ever written in
place, so neither changes the other.

    embedded.json    in the new run: the run that embedded the documents, with its command, seed and versions
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.runs.atomic import replacing, write_json
from interp.runs.errors import UserError
from interp.runs.folder import origin
from training.sampling.embedders import TFIDF
from training.sampling.folder import SamplingRun

_EMBEDDED = "embedded.json"
_DUPLICATES = "duplicates.parquet"
_FILES = (
    "documents/part-*.parquet",
    "set_aside.parquet",  # says that all documents are there, so it comes after them
    f"{TFIDF}/words.json",
    f"{TFIDF}/weights.safetensors",  # says the same of the words
    _DUPLICATES,
    "embeddings/part-*.parquet",
)
_DECISIVE = ("source", "text_column", "id_column", "embedder")


def embedded_run(path: Path, config: Mapping[str, Any]) -> SamplingRun:
    """The finished run at `path`, if it embedded the corpus of `config` in the same way.

    Raises UserError for another corpus or embedder, and for a run without embeddings.
    """
    run = SamplingRun.open(path)
    held = run.manifest["config"] | {"seed": run.manifest["seed"]}
    decisive = (*_DECISIVE, "seed") if config["embedder"] == TFIDF else _DECISIVE  # TF-IDF is fitted to a sample
    changed = [f"{name} {held.get(name)} (now {config[name]})" for name in decisive if held.get(name) != config[name]]
    if changed:
        told = f"{path} cannot be taken over: its {', '.join(changed)}"
        raise UserError(f"{told}; accepted is a run of the same source and columns by the same embedder")
    _ = run.embeddings  # refused where they are missing
    return run


def take_over(run: SamplingRun, out: Path, config: Mapping[str, Any]) -> None:
    """Link into `out` what `run` has made of the corpus, or go on with that; near-duplicates only at the same threshold.

    Raises UserError if `out` has documents already that come from elsewhere.
    """
    theirs, note = run.path / _EMBEDDED, out / _EMBEDDED
    told = json.loads(theirs.read_text()) if theirs.exists() else {"run": str(run.path.resolve()), **origin(run.manifest)}
    if json.loads(note.read_text())["run"] != told["run"] if note.exists() else (out / "documents").exists():
        raise UserError(f"{out} has documents that are not from {run.path}; take another folder, or leave --embedded out")
    if not note.exists():
        write_json(note, told)
    same = run.manifest["config"]["duplicates"] == config["duplicates"]
    for pattern in _FILES if same else [name for name in _FILES if name != _DUPLICATES]:
        for path in sorted(run.path.glob(pattern)):
            _link(path, out / path.relative_to(run.path))


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # on another disk, or on one without links
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
