"""Embedding for `torchrun`: documents that are there already, embeddings by all ranks."""

from __future__ import annotations

import sys
from pathlib import Path

from interp.runs.parts import Parts
from training.sampling.embed import embed

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    embed(Parts(folder / "documents"), folder / "embeddings", "minilm", device="cpu")
