"""A tiny mixture trained for `torchrun`: model, text, run folder and further settings, as JSON, are its arguments."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path

import torch

from interp.runs import loop
from training.moe.decoder import MoEShape
from training.moe.rules import Rules
from training.moe.train import MoETraining, train


def main(model: str, text: str, out: Path, changed: dict[str, float]) -> None:
    """Train in `out`, with a checkpoint after every step."""
    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = 0.0
    sizes = {"steps": 2, "batch": 4, "context": 96, "text_tokens": 4_000, "held_out_tokens": 384, "record_every": 1}
    settings = sizes | {"recorded": 3} | changed
    train(MoETraining(model, MoEShape(4, 2), Rules(2, 1.0), text=text, **settings), out, device="cpu")  # type: ignore[arg-type]


def tell_threads(file: Path) -> None:
    """Write the names of the threads that are left of this process."""
    file.write_text(json.dumps([task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]))


if __name__ == "__main__":
    atexit.register(tell_threads, Path(f"{sys.argv[3]}-threads{os.environ['RANK']}.json"))  # the first to register is the last to run
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
